/* What `check` makes of incomplete recordings, of several runtimes in one, and what it warns of. */
#include "../tally.h"
#include "judged.h"
#include "scenes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct script s;

#define ADD(kind, task, a, b) script_add(&s, TRACE_##kind, task, a, (uint64_t)(b))

static void assert_judged(const char *expected)
{
    struct judged j;
    char words[1000];

    judge_script(&j, &s);
    assert_string_equal(judged_words(&j, words, sizeof words), expected);
    judged_free(&j);
}

/* Thread 1 runs a task that left its waker with a helper, thread 2, and then looks for more to do. The next line is
 * 112. */
static void start_suspended(void)
{
    script_start(&s);
    ADD(THREAD, 0, 1, 0);
    s.thread = 2;
    ADD(THREAD, 0, 2, 0);
    s.thread = 1;
    ADD(RUNTIME, 0, 3, TRACE_HAS_WAKES);
    ADD(FUTURE_NEW, 0, 3, 1);
    ADD(TASK_SPAWN, 1, 3, 1);
    ADD(QUEUE_PUSH, 1, 1, 1);
    ADD(QUEUE_POP, 1, 1, 0);
    ADD(TASK_POLL_BEGIN, 1, STATES(Q, R), 1);
    ADD(WAKER_CLONE, 1, 0, 0);
    ADD(WAIT, 0, TRACE_SOURCE_THREAD, 1);
    ADD(TASK_POLL_END, 1, STATES(R, 0), 0);
    ADD(QUEUE_POP, 0, 1, 0);
    s.killed = true;
}

/* ---- killed */

/* The helper was killed between its push and its WAKE_END, when the task was running already. */
static void killed_in_the_middle_of_a_wake(void **state)
{
    (void)state;
    start_suspended();
    s.thread = 2;
    ADD(WAIT_END, 0, TRACE_SOURCE_THREAD, 1);
    ADD(WAKE_BEGIN, 1, 0, 1);
    ADD(QUEUE_PUSH, 1, 1, 1);
    s.thread = 1;
    ADD(QUEUE_POP, 1, 1, 0);
    ADD(TASK_POLL_BEGIN, 1, STATES(Q, R), 2);
    ADD(TASK_POLL_END, 1, STATES(R, D), 1);
    assert_judged("clean");
}

/* Two wake at once: one has marked the task, the other finds the mark, and the first is killed after its push. */
static void killed_between_the_mark_and_the_end_of_a_wake(void **state)
{
    (void)state;
    start_suspended();
    s.records[8].kind = TRACE_WAKER_CLONE; /* two wakers, and no wait */
    s.records[9] = s.records[8];
    s.records[9].ticks += 1000;
    s.thread = 2;
    ADD(WAKE_BEGIN, 1, 0, 1);
    s.thread = 3;
    ADD(THREAD, 0, 3, 0);
    ADD(WAKE_BEGIN, 1, 0, 1);
    ADD(WAKE_END, 1, STATES(Q, Q), 1);
    s.thread = 2;
    ADD(QUEUE_PUSH, 1, 2, 1);
    assert_judged("clean");
}

/* Killed in a poll whose end the thread did not record: the helper has woken the idle task. */
static void killed_at_the_end_of_a_poll(void **state)
{
    (void)state;
    start_suspended();
    s.count -= 2; /* the end of the poll, and the look into the queue */
    s.thread = 2;
    ADD(WAIT_END, 0, TRACE_SOURCE_THREAD, 1);
    ADD(WAKE_BEGIN, 1, 0, 1);
    ADD(QUEUE_PUSH, 1, 2, 1);
    ADD(WAKE_END, 1, STATES(0, Q), 1);
    assert_judged("clean");
}

/* Killed between taking a task and recording its poll: a helper finds it running already. */
static void killed_at_the_begin_of_a_poll(void **state)
{
    (void)state;
    start_suspended();
    s.count -= 5; /* the task is taken, and that is all */
    s.records[7] = (struct format_record){.ticks = 8000, .task = 1, .kind = TRACE_WAKER_CLONE, .thread = 2, .site = 8};
    s.records[6].ticks = 7000;
    s.thread = 2;
    ADD(WAKE_BEGIN, 1, 0, 1);
    ADD(WAKE_END, 1, STATES(R, R | Q), 1);
    assert_judged("clean");
}

/* Killed in an abort: the helper finds the task aborted, and by whom is not recorded. */
static void killed_in_the_middle_of_an_abort(void **state)
{
    (void)state;
    start_suspended();
    s.thread = 2;
    ADD(WAIT_END, 0, TRACE_SOURCE_THREAD, 1);
    ADD(WAKE_BEGIN, 1, 0, 1);
    ADD(WAKE_END, 1, STATES(Q | A, Q | A), 1);
    assert_judged("clean");
}

/* The same without a kill is a breach: the state word was changed by two threads, and one change was lost. */
static void not_killed_at_the_end_of_a_poll(void **state)
{
    (void)state;
    start_suspended();
    s.count -= 2;
    s.thread = 2;
    ADD(WAIT_END, 0, TRACE_SOURCE_THREAD, 1);
    ADD(WAKE_BEGIN, 1, 0, 1);
    ADD(QUEUE_PUSH, 1, 2, 1);
    ADD(WAKE_END, 1, STATES(0, Q), 1);
    s.killed = false;
    assert_judged("states task 1 line 115");
}

/* What one thread did by itself is certain, killed or not. */
static void breach_before_the_kill_is_found(void **state)
{
    (void)state;
    start_suspended();
    ADD(PARK_BEGIN, 0, 0, 0);
    ADD(PARK_END, 0, 0, 0);
    assert_judged("park task 0 line 113");
}

/* The executor sleeps, nobody is about to wake it, and its queue is not empty: it would sleep for ever. */
static void asleep_with_a_task_in_the_queue(void **state)
{
    (void)state;
    start_suspended();
    ADD(PARK_BEGIN, 0, 0, 0);
    s.thread = 2;
    ADD(WAIT_END, 0, TRACE_SOURCE_THREAD, 1);
    ADD(WAKE_BEGIN, 1, 0, 1);
    ADD(QUEUE_PUSH, 1, 2, 1);
    ADD(WAKE_END, 1, STATES(0, Q), 1); /* 116 */
    assert_judged("lost-wake task 1 line 116");
}

/* With a nudge it is about to wake up. */
static void asleep_but_nudged(void **state)
{
    (void)state;
    start_suspended();
    ADD(PARK_BEGIN, 0, 0, 0);
    s.thread = 2;
    ADD(WAIT_END, 0, TRACE_SOURCE_THREAD, 1);
    ADD(WAKE_BEGIN, 1, 0, 1);
    ADD(QUEUE_PUSH, 1, 2, 1);
    ADD(UNPARK, 0, 0, 0);
    ADD(WAKE_END, 1, STATES(0, Q), 1);
    assert_judged("clean");
}

/* Asleep with a waker somewhere outside: it may come yet. */
static void asleep_and_waiting(void **state)
{
    (void)state;
    start_suspended();
    ADD(PARK_BEGIN, 0, 0, 0);
    assert_judged("clean");
}

static void task_joins_itself(void **state)
{
    (void)state;
    start_suspended();
    s.records[9].a = TRACE_SOURCE_JOIN;
    s.records[9].b = 1;
    assert_judged("deadlock task 1 line 110");
}

/* With one more waker somewhere, somebody else could wake it. */
static void task_joins_itself_and_has_another_waker(void **state)
{
    (void)state;
    start_suspended();
    s.records[9].a = TRACE_SOURCE_JOIN;
    s.records[9].b = 1;
    s.records[11].kind = TRACE_WAKER_CLONE;
    s.records[11].task = 1;
    s.records[11].a = 0;
    assert_judged("clean");
}

/* ---- full */

/* Where room ran out, some threads' events are missing: nothing from there on is judged. */
static void dropped_events_are_no_breach(void **state)
{
    struct judged j;

    (void)state;
    start_suspended();
    s.killed = false;
    s.dropped = 10;
    s.thread = 3;
    ADD(THREAD, 0, 3, 0); /* the last chunk is begun here */
    s.thread = 2;
    ADD(WAKE_BEGIN, 1, 0, 1); /* what is missing is the WAIT_END before it, for instance */
    ADD(WAKE_END, 1, STATES(0, Q), 1);
    ADD(NOTE, 0, 0, 0);
    judge_script(&j, &s);
    assert_int_equal(j.rec.whole, 13);
    assert_int_equal(j.check.finding_count, 0);
    assert_false(j.check.complete);
    judged_free(&j);
}

/* ---- several runtimes */

static void runtimes_one_after_the_other(void **state)
{
    (void)state;
    script_start(&s);
    scenes[2].write(&s);
    for (size_t i = 0, count = s.count; i < count; i++) { /* once more: the same task and queue numbers, new futures */
        struct format_record *from = &s.records[i];
        bool names_future = from->kind == TRACE_FUTURE_NEW || from->kind == TRACE_FUTURE_DROP ||
                            from->kind == TRACE_TASK_SPAWN || from->kind == TRACE_BLOCK_ON_BEGIN ||
                            from->kind == TRACE_BLOCK_ON_END;

        s.thread = from->thread;
        if (from->kind != TRACE_THREAD)
            script_add(&s, from->kind, from->task, from->a, from->b + (names_future ? 100 : 0));
    }
    assert_judged("clean");
}

/* A task that its runtime left behind is found even if the program was killed later. */
static void runtime_ends_before_its_task(void **state)
{
    (void)state;
    start_suspended();
    ADD(RUNTIME_END, 0, 0, 0);
    assert_judged("not-dropped task 1 line 104");
}

/* A queue that an abandoned runtime left behind, with a task in it, is not the next one's. */
static void next_runtime_does_not_inherit_the_queue(void **state)
{
    (void)state;
    start_suspended();
    s.thread = 2;
    ADD(WAIT_END, 0, TRACE_SOURCE_THREAD, 1);
    ADD(WAKE_BEGIN, 1, 0, 1);
    ADD(QUEUE_PUSH, 1, 1, 1);
    ADD(WAKE_END, 1, STATES(0, Q), 1);
    s.thread = 1;
    ADD(RUNTIME, 0, 3, TRACE_HAS_WAKES);
    ADD(QUEUE_POP, 0, 2, 0);
    ADD(PARK_BEGIN, 0, 0, 0);
    assert_judged("lost-wake task 1 line 115"); /* nobody is left to take it, and that is all */
}

/* ---- threads and locks */

static void on(uint16_t thread)
{
    s.thread = thread;
    ADD(THREAD, 0, thread, 0);
}

/* Two threads hold a lock each and want the other's. */
static void cross_locks(void)
{
    script_start(&s);
    on(1);
    ADD(GUARD_ACQUIRE, 0, 0, 7);
    on(2);
    ADD(GUARD_ACQUIRE, 0, 0, 8);
    ADD(GUARD_WAIT, 0, 0, 7); /* 104 */
    ADD(SYSCALL_BEGIN, 0, TRACE_CALL_FUTEX_WAIT, 2);
    s.thread = 1;
    ADD(GUARD_WAIT, 0, 0, 8); /* 106 */
    ADD(SYSCALL_BEGIN, 0, TRACE_CALL_FUTEX_WAIT, 2);
}

static void threads_lock_crosswise(void **state)
{
    (void)state;
    cross_locks();
    s.killed = true;
    assert_judged("deadlock task 0 line 106");
    s.records[6].b = 9; /* a lock that nobody holds: it may be had any moment */
    assert_judged("clean");
}

static void thread_locks_twice(void **state)
{
    (void)state;
    script_start(&s);
    on(1);
    ADD(GUARD_ACQUIRE, 0, 0, 7);
    ADD(GUARD_WAIT, 0, 0, 7); /* 102 */
    s.killed = true;
    assert_judged("deadlock task 0 line 102");
}

/* A share of a lock stands in a writer's way as well. */
static void reader_wants_to_write(void **state)
{
    (void)state;
    script_start(&s);
    on(1);
    ADD(GUARD_ACQUIRE, 0, 0, (uint64_t)1 << 32 | 7);
    ADD(GUARD_WAIT, 0, 0, 7); /* 102 */
    s.killed = true;
    assert_judged("deadlock task 0 line 102");
}

/* A task is suspended with a lock, and the only thread that could poll it waits for that lock. With a second one that
 * takes tasks there is still hope. */
static void lock_of_a_suspended_task_blocks_all_workers(void **state)
{
    (void)state;
    start_suspended();
    s.records[9].kind = TRACE_GUARD_ACQUIRE; /* instead of the WAIT */
    s.records[9].a = 0;
    s.records[9].b = 7;
    ADD(GUARD_WAIT, 0, 0, 7); /* 112 */
    s.killed = true;
    assert_judged("deadlock task 1 line 112");
    s.records[2].b |= TRACE_HAS_WORKERS;
    s.thread = 2;
    s.worker = 2;
    ADD(QUEUE_POP, 0, 1, 0);
    assert_judged("clean");
}

/* ---- warnings */

static struct tally tally_script(uint64_t long_poll)
{
    struct judged j;
    struct tally tally;

    judge_script(&j, &s);
    tally_run(&tally, &j.rec, long_poll);
    judged_free(&j);
    return tally;
}

static void guard_across_a_suspension(void **state)
{
    struct tally tally;

    (void)state;
    start_suspended();
    s.records[8].kind = TRACE_GUARD_ACQUIRE;
    s.records[8].task = 0;
    tally = tally_script(UINT64_MAX);
    assert_int_equal(tally.remark_count, 1);
    assert_int_equal(tally.remarks[0].kind, REMARK_GUARD);
    assert_int_equal(tally.remarks[0].task, 1);
    assert_int_equal(tally.remarks[0].value, 8);
    tally_free(&tally);
}

/* The task takes it, is suspended, and gives it back on another thread; no other task is blamed, nor a later poll. */
static void guard_is_counted_where_it_was_taken(void **state)
{
    struct tally tally;

    (void)state;
    start_suspended();
    s.records[8].kind = TRACE_GUARD_ACQUIRE;
    s.records[8].task = 0;
    ADD(FUTURE_NEW, 0, 3, 2);
    ADD(TASK_SPAWN, 2, 3, 2);
    ADD(QUEUE_PUSH, 2, 1, 1);
    ADD(QUEUE_POP, 2, 1, 0);
    ADD(TASK_POLL_BEGIN, 2, STATES(Q, R), 1);
    ADD(TASK_POLL_END, 2, STATES(R, 0), 0);
    s.thread = 2;
    ADD(TASK_POLL_BEGIN, 1, STATES(Q, R), 2);
    ADD(GUARD_RELEASE, 0, 0, 0);
    ADD(TASK_POLL_END, 1, STATES(R, 0), 0);
    tally = tally_script(UINT64_MAX);
    assert_int_equal(tally.remark_count, 1);
    assert_int_equal(tally.remarks[0].task, 1);
    tally_free(&tally);
}

static void long_poll_keeps_others_waiting(void **state)
{
    struct tally tally;

    (void)state;
    script_start(&s);
    scenes[1].write(&s); /* task 1's first poll takes 4 us, and task 2 is spawned in it */
    tally = tally_script(4000);
    assert_int_equal(tally.remark_count, 1);
    assert_int_equal(tally.remarks[0].kind, REMARK_LONG_POLL);
    assert_int_equal(tally.remarks[0].task, 1);
    assert_int_equal(tally.remarks[0].value, 4000);
    tally_free(&tally);
    tally = tally_script(4001);
    assert_int_equal(tally.remark_count, 0);
    tally_free(&tally);

    script_start(&s);
    scenes[4].write(&s); /* a poll of 13 us, and no other task */
    tally = tally_script(4000);
    assert_int_equal(tally.remark_count, 0);
    tally_free(&tally);
}

/* What lies in the queue that all workers take from waits for each of them, whoever looked there last. */
static void long_poll_keeps_the_global_queue_waiting(void **state)
{
    struct tally tally;

    (void)state;
    script_start(&s);
    ADD(RUNTIME, 0, 5, TRACE_HAS_WAKES | TRACE_HAS_WORKERS);
    for (uint32_t task = 1; task <= 3; task++) {
        ADD(FUTURE_NEW, 0, 1, task);
        ADD(TASK_SPAWN, task, 1, task);
        ADD(QUEUE_PUSH, task, 1, task);
    }
    for (uint16_t worker = 1; worker <= 2; worker++) {
        s.thread = worker + 1;
        s.worker = worker;
        ADD(QUEUE_POP, worker, 1, 3 - worker);
        ADD(TASK_POLL_BEGIN, worker, STATES(Q, R), 1);
    }
    s.thread = 2;
    ADD(TASK_POLL_END, 1, STATES(R, D), 1); /* 3 us later than its begin; task 3 still lies there */
    tally = tally_script(3000);
    assert_int_equal(tally.remark_count, 1);
    assert_int_equal(tally.remarks[0].kind, REMARK_LONG_POLL);
    tally_free(&tally);
}

/* ---- counts */

/* A park that waits in a system call is one sleep; so is a wait for a futex without a park. */
static void sleeps_are_counted_once(void **state)
{
    struct tally tally;

    (void)state;
    script_start(&s);
    ADD(THREAD, 0, 1, 0);
    ADD(PARK_BEGIN, 0, 0, 0);
    ADD(SYSCALL_BEGIN, 0, TRACE_CALL_EPOLL_WAIT, 0);
    ADD(SYSCALL_END, 0, TRACE_CALL_EPOLL_WAIT, 0);
    ADD(PARK_END, 0, 0, 0); /* 3 us later than its begin */
    ADD(SYSCALL_BEGIN, 0, TRACE_CALL_FUTEX_WAIT, 0);
    ADD(SYSCALL_END, 0, TRACE_CALL_FUTEX_WAIT, 0);
    ADD(SYSCALL_BEGIN, 0, TRACE_CALL_FUTEX_WAKE, 0);
    ADD(SYSCALL_END, 0, TRACE_CALL_FUTEX_WAKE, 0);
    tally = tally_script(UINT64_MAX);
    assert_int_equal(tally.threads[1].asleep, 4000);
    tally_free(&tally);
}

/* What a worker moves to make room it has not stolen; and a task that it holds wakes itself without changing its word. */
static void steals_and_own_wakes_are_counted(void **state)
{
    struct tally tally;
    const struct scene *scene = scenes;

    (void)state;
    while (strcmp(scene->name, "steals") != 0)
        scene++;
    script_start(&s);
    scene->write(&s);
    tally = tally_script(UINT64_MAX);
    assert_int_equal(tally.threads[2].steals, 0);
    assert_int_equal(tally.threads[3].steals, 1);
    assert_int_equal(tally.tasks[1].wakes, 2);
    assert_int_equal(tally.tasks[1].self_wakes, 1);
    tally_free(&tally);

    while (strcmp(scene->name, "steals_readiness") != 0)
        scene++;
    script_start(&s);
    scene->write(&s); /* there, worker 1 moves a task between its own queues */
    tally = tally_script(UINT64_MAX);
    assert_int_equal(tally.threads[2].steals, 0);
    tally_free(&tally);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_in_the_middle_of_a_wake),
        cmocka_unit_test(killed_between_the_mark_and_the_end_of_a_wake),
        cmocka_unit_test(killed_at_the_end_of_a_poll),
        cmocka_unit_test(killed_at_the_begin_of_a_poll),
        cmocka_unit_test(killed_in_the_middle_of_an_abort),
        cmocka_unit_test(not_killed_at_the_end_of_a_poll),
        cmocka_unit_test(breach_before_the_kill_is_found),
        cmocka_unit_test(asleep_with_a_task_in_the_queue),
        cmocka_unit_test(asleep_but_nudged),
        cmocka_unit_test(asleep_and_waiting),
        cmocka_unit_test(task_joins_itself),
        cmocka_unit_test(task_joins_itself_and_has_another_waker),
        cmocka_unit_test(dropped_events_are_no_breach),
        cmocka_unit_test(runtimes_one_after_the_other),
        cmocka_unit_test(runtime_ends_before_its_task),
        cmocka_unit_test(next_runtime_does_not_inherit_the_queue),
        cmocka_unit_test(guard_across_a_suspension),
        cmocka_unit_test(threads_lock_crosswise),
        cmocka_unit_test(thread_locks_twice),
        cmocka_unit_test(reader_wants_to_write),
        cmocka_unit_test(lock_of_a_suspended_task_blocks_all_workers),
        cmocka_unit_test(guard_is_counted_where_it_was_taken),
        cmocka_unit_test(long_poll_keeps_others_waiting),
        cmocka_unit_test(long_poll_keeps_the_global_queue_waiting),
        cmocka_unit_test(sleeps_are_counted_once),
        cmocka_unit_test(steals_and_own_wakes_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
