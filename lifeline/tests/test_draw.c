/* The diagram of a recording: what it says, that nothing in it lies on anything else, and the files made of it. */
#include "../commands.h"
#include "../diagram.h"
#include "../layout.h"
#include "../render.h"
#include "judged.h"
#include "scenes.h"
#include "script.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

#define ADD(kind, task, a, b) script_add(&script, TRACE_##kind, task, a, (uint64_t)(b))
#define ARGS(first, second)   ((uint64_t)(uint32_t)(first) | (uint64_t)(uint32_t)(second) << 32)

static struct script script;
static const struct diagram_options everything;

/* ---- recordings ---- */

static void call(uint32_t number, uint64_t args, int64_t result)
{
    ADD(SYSCALL_BEGIN, 0, number, args);
    ADD(SYSCALL_END, 0, number, result);
}

static void begin_reader(void)
{
    script_start(&script);
    ADD(RUNTIME, 0, 4, TRACE_HAS_WAKES | TRACE_HAS_REACTOR);
    ADD(FUTURE_NEW, 0, 1, 1);
    ADD(BLOCK_ON_BEGIN, 0, 0, 1);
    ADD(TASK_SPAWN, 1, 1, 1);
    ADD(QUEUE_PUSH, 1, 1, 1);
    ADD(QUEUE_POP, 1, 1, 0);
    ADD(TASK_POLL_BEGIN, 1, STATES(Q, R), 1);
}

static void would_block(bool registers)
{
    call(TRACE_CALL_RECV, ARGS(7, 512), -EAGAIN);
    if (registers) {
        ADD(REGISTER_BEGIN, 0, 7, 0);
        call(TRACE_CALL_EPOLL_CTL, ARGS(7, 1), 0);
        ADD(REGISTER_END, 0, 7, 0);
    }
    ADD(WAKER_CLONE, 1, 0, 0);
    ADD(WAIT, 0, TRACE_SOURCE_READ, 7);
    ADD(TASK_POLL_END, 1, STATES(R, 0), 0);
}

static void sleep_until(uint32_t bits, uint64_t poll)
{
    ADD(QUEUE_POP, 0, 1, 0);
    ADD(TURN_BEGIN, 0, 0, -1);
    ADD(SYSCALL_BEGIN, 0, TRACE_CALL_EPOLL_WAIT, ARGS(3, -1));
    script.time += 50000000;
    ADD(SYSCALL_END, 0, TRACE_CALL_EPOLL_WAIT, 1);
    ADD(READY, 0, 7, bits);
    ADD(WAIT_END, 0, TRACE_SOURCE_READ, 7);
    ADD(WAKE_BEGIN, 1, 0, 1);
    ADD(QUEUE_PUSH, 1, 1, 1);
    ADD(WAKE_END, 1, STATES(0, Q), 1);
    ADD(TURN_END, 0, 1, 0);
    ADD(QUEUE_POP, 1, 1, 0);
    ADD(TASK_POLL_BEGIN, 1, STATES(Q, R), poll);
}

static void end_reader(void)
{
    ADD(TASK_POLL_END, 1, STATES(R, D), 1);
    ADD(TASK_FREE, 1, 0, 0);
    ADD(BLOCK_ON_END, 0, 0, 1);
    ADD(FUTURE_DROP, 0, 1, 1);
    ADD(RUNTIME_END, 0, 0, 0);
}

static void script_lifecycle(void)
{
    begin_reader();
    would_block(true);
    sleep_until(EPOLLIN, 2);
    call(TRACE_CALL_RECV, ARGS(7, 512), 512);
    end_reader();
}

/* The recording of the script, read back from a file. */
static void record(struct recording *rec)
{
    char error[200];

    script_write(&script, scratch_path());
    if (recording_open(rec, scratch_path(), error, sizeof error) < 0)
        fail_msg("%s", error);
}

/* ---- diagrams as text ---- */

struct words {
    char text[16384];
    size_t length;
};

static void word(struct words *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void word(struct words *to, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    to->length += (size_t)vsnprintf(to->text + to->length, sizeof to->text - to->length, format, args);
    va_end(args);
    assert_true(to->length < sizeof to->text);
}

static void diagram_of_script(struct diagram *d, struct recording *rec)
{
    record(rec);
    diagram_build(d, rec, &everything);
}

static void diagram_done(struct diagram *d, struct recording *rec)
{
    diagram_free(d);
    recording_close(rec);
}

/* One line a row: "[step] from -> to: text". */
static const char *told(const struct diagram *d, struct words *words)
{
    words->length = 0;
    words->text[0] = '\0';
    for (size_t i = 0; i < d->row_count; i++) {
        const struct row *row = &d->rows[i];
        if (row->kind == ROW_BAND)
            word(words, "== %s\n", row->text);
        if (row->kind != ROW_MESSAGE)
            continue;
        if (row->step)
            word(words, "[%u] ", row->step);
        word(words, "%s -> %s: %s\n", d->actors[row->from].name, d->actors[row->to].name, row->text);
    }
    return words->text;
}

static const char *told_steps(const struct diagram *d, struct words *words)
{
    words->length = 0;
    words->text[0] = '\0';
    for (size_t i = 0; i < d->row_count; i++)
        if (d->rows[i].step)
            word(words, "%s%u", words->length ? " " : "", d->rows[i].step);
    return words->text;
}

static void assert_script_tells(const char *expected)
{
    struct recording rec;
    struct diagram d;
    struct words words;

    diagram_of_script(&d, &rec);
    assert_string_equal(told(&d, &words), expected);
    diagram_done(&d, &rec);
}

static void assert_script_steps(const char *expected)
{
    struct recording rec;
    struct diagram d;
    struct words words;

    diagram_of_script(&d, &rec);
    assert_string_equal(told_steps(&d, &words), expected);
    diagram_done(&d, &rec);
}

static size_t count_text(const struct diagram *d, const char *text, enum row_style style)
{
    size_t found = 0;

    for (size_t i = 0; i < d->row_count; i++)
        found += d->rows[i].kind == ROW_MESSAGE && d->rows[i].style == style && strstr(d->rows[i].text, text);
    return found;
}

/* ---- what it says ---- */

static void the_lifecycle_is_told_event_by_event(void **state)
{
    (void)state;
    script_lifecycle();
    assert_script_tells("== setup and spawn\n"
                        "[1] Main -> Executor: runtime starts\n"
                        "Main -> Task 1: new parent\n"
                        "Main -> Executor: block_on\n"
                        "[2] Executor -> Task 1: spawn task 1\n"
                        "Executor -> Run queue: push task 1\n"
                        "Executor -> Run queue: pop\n"
                        "[3] Run queue -> Executor: task 1\n"
                        "== first poll and suspension\n"
                        "[4] Executor -> Task 1: poll #1 of task 1\n"
                        "Task 1 -> OS kernel: recv(fd 7)\n"
                        "[5] OS kernel -> Task 1: EAGAIN\n"
                        "[6] Task 1 -> Reactor: register(fd 7)\n"
                        "Reactor -> OS kernel: epoll_ctl(ADD, fd 7)\n"
                        "OS kernel -> Reactor: 0\n"
                        "Reactor -> Task 1: ok\n"
                        "Task 1 -> Reactor: wait(fd 7 readable)\n"
                        "[7] Task 1 -> Executor: PENDING\n"
                        "== wait and event\n"
                        "Executor -> Run queue: pop\n"
                        "Run queue -> Executor: empty\n"
                        "Executor -> Reactor: turn(no limit)\n"
                        "[8] Reactor -> OS kernel: epoll_wait(no limit)\n"
                        "[9] Peer -> OS kernel: 512 bytes\n"
                        "OS kernel -> OS kernel: marks fd 7 readable\n"
                        "OS kernel -> Reactor: 1 event {fd 7, IN}\n"
                        "Reactor -> Reactor: lookup fd 7: task 1\n"
                        "== wake and completion\n"
                        "[10] Reactor -> Task 1: wake task 1\n"
                        "[11] Reactor -> Run queue: push task 1\n"
                        "Reactor -> Executor: 1 woken\n"
                        "Executor -> Run queue: pop\n"
                        "Run queue -> Executor: task 1\n"
                        "[12] Executor -> Task 1: poll #2 of task 1\n"
                        "Task 1 -> OS kernel: recv(fd 7)\n"
                        "OS kernel -> Task 1: 512 bytes\n"
                        "[13] Task 1 -> Executor: READY\n"
                        "Executor -> Task 1: free task 1\n"
                        "Executor -> Main: block_on returns\n"
                        "Main -> Task 1: drop parent\n"
                        "Main -> Executor: runtime ends\n");
}

static void bytes_that_are_there_need_no_wait(void **state)
{
    (void)state;
    begin_reader();
    call(TRACE_CALL_RECV, ARGS(7, 512), 512);
    end_reader();
    assert_script_steps("1 2 3 4 13");
}

static void two_reads_wait_twice(void **state)
{
    (void)state;
    begin_reader();
    would_block(true);
    sleep_until(EPOLLIN, 2);
    call(TRACE_CALL_RECV, ARGS(7, 512), 100);
    would_block(false);
    sleep_until(EPOLLIN, 3);
    call(TRACE_CALL_RECV, ARGS(7, 512), 200);
    end_reader();
    assert_script_steps("1 2 3 4 5 6 7 8 9 10 11 12 5 7 8 9 10 11 12 13");
}

static void a_reset_is_inferred_as_one(void **state)
{
    struct recording rec;
    struct diagram d;

    (void)state;
    begin_reader();
    would_block(true);
    sleep_until(EPOLLIN, 2);
    call(TRACE_CALL_RECV, ARGS(7, 512), -ECONNRESET);
    end_reader();
    diagram_of_script(&d, &rec);
    assert_int_equal(count_text(&d, "reset", STYLE_INFERRED), 1);
    assert_int_equal(count_text(&d, "bytes", STYLE_INFERRED), 0);
    assert_int_equal(count_text(&d, "ECONNRESET", STYLE_REPLY), 1);
    diagram_done(&d, &rec);
}

/* Killed while it sleeps: the steps stop there, and the picture says so. */
static void a_killed_run_ends_where_it_was_killed(void **state)
{
    struct recording rec;
    struct diagram d;
    struct words words;
    struct pool pool = {NULL};
    const char *footers[DIAGRAM_FOOTERS];

    (void)state;
    begin_reader();
    would_block(true);
    ADD(TURN_BEGIN, 0, 0, -1);
    ADD(SYSCALL_BEGIN, 0, TRACE_CALL_EPOLL_WAIT, ARGS(3, -1));
    script.killed = true;
    diagram_of_script(&d, &rec);
    assert_string_equal(told_steps(&d, &words), "1 2 3 4 5 6 7 8");
    assert_int_equal(diagram_footer(&d, &pool, footers), 2);
    assert_non_null(strstr(footers[1], "killed"));
    pool_free(&pool);
    diagram_done(&d, &rec);
}

static void futures_polled_by_hand_have_columns_and_phases(void **state)
{
    (void)state;
    script_start(&script);
    ADD(FUTURE_NEW, 0, 1, 1);
    ADD(FUTURE_NEW, 0, 2, 2);
    ADD(FUTURE_POLL_BEGIN, 0, 0, 1);
    ADD(FUTURE_POLL_BEGIN, 0, 0, 2);
    ADD(FUTURE_POLL_END, 0, 0, 2);
    ADD(FUTURE_POLL_END, 0, 0, 1);
    ADD(FUTURE_DROP, 0, 1, 1);
    assert_script_tells("== create\n"
                        "Main -> Future 1: new parent\n"
                        "Main -> Future 2: new child\n"
                        "== poll\n"
                        "Main -> Future 1: poll()\n"
                        "Future 1 -> Future 2: poll()\n"
                        "Future 2 -> Future 1: PENDING\n"
                        "Future 1 -> Main: PENDING\n"
                        "== drop\n"
                        "Main -> Future 1: drop parent\n");
}

/* Two of one type in one column have their numbers; one whose only like is over has none. */
static void children_of_one_type_are_numbered(void **state)
{
    (void)state;
    script_start(&script);
    for (uint64_t root = 1; root <= 22; root += 3) { /* so many that children share the column of their root */
        ADD(FUTURE_NEW, 0, 1, root);
        ADD(FUTURE_NEW, 0, 2, root + 1);
        ADD(FUTURE_POLL_BEGIN, 0, 0, root);
        ADD(FUTURE_POLL_BEGIN, 0, 0, root + 1);
        if (root != 1)
            ADD(FUTURE_POLL_END, 0, 1, root + 1);
        ADD(FUTURE_NEW, 0, 2, root + 2);
        if (root == 1)
            ADD(FUTURE_POLL_END, 0, 1, root + 1);
        ADD(FUTURE_POLL_BEGIN, 0, 0, root + 2);
        ADD(FUTURE_POLL_END, 0, 0, root + 2);
        ADD(FUTURE_POLL_END, 0, 0, root);
    }
    struct recording rec;
    struct diagram d;
    diagram_of_script(&d, &rec);
    assert_int_equal(count_text(&d, "new child 2", STYLE_CALL), 1);
    assert_int_equal(count_text(&d, "poll child 3", STYLE_CALL), 1);
    assert_int_equal(count_text(&d, "child 3: PENDING", STYLE_REPLY), 1);
    assert_int_equal(count_text(&d, "child 4", STYLE_CALL) + count_text(&d, "child 5", STYLE_CALL), 0);
    assert_int_equal(count_text(&d, "child", STYLE_CALL), 32);
    assert_int_equal(count_text(&d, "child ", STYLE_CALL), 4);
    diagram_done(&d, &rec);
}

static void children_of_one_type_in_a_task_are_numbered(void **state)
{
    (void)state;
    begin_reader();
    ADD(FUTURE_NEW, 0, 2, 2);
    ADD(FUTURE_NEW, 0, 2, 3);
    ADD(FUTURE_NEW, 0, 3, 4);
    for (uint64_t child = 2; child <= 4; child++) {
        ADD(FUTURE_POLL_BEGIN, 0, 0, child);
        ADD(FUTURE_POLL_END, 0, 1, child);
        ADD(FUTURE_DROP, 0, child == 4 ? 3 : 2, child);
    }
    end_reader();
    struct recording rec;
    struct diagram d;
    struct words words;
    diagram_of_script(&d, &rec);
    assert_non_null(strstr(told(&d, &words), "Task 1 -> Task 1: new child 2\nTask 1 -> Task 1: new child 3\n"
                                             "Task 1 -> Task 1: new sleeper\nTask 1 -> Task 1: poll child 2\n"));
    diagram_done(&d, &rec);
}

static void script_scene(const char *name)
{
    const struct scene *scene = scenes;

    while (strcmp(scene->name, name) != 0)
        scene++;
    script_start(&script);
    scene->write(&script);
}

static void assert_tells_all(const struct diagram *d, const char *const *lines)
{
    struct words words;
    const char *text = told(d, &words);

    for (; *lines; lines++)
        if (!strstr(text, *lines))
            fail_msg("not told: %sbut:\n%s", *lines, text);
}

/* What is a worker's own queue has no column; a nudge goes to the reactor whose eventfd is written to. */
static void workers_have_an_executor_and_a_reactor_each(void **state)
{
    static const char *const lines[] = {
        "Main -> Main: runtime starts\n",
        "Main -> Main: block_on\nMain -> Task 1: spawn task 1\nMain -> Global queue: push task 1\n",
        "Worker-1 executor -> Global queue: pop\nGlobal queue -> Worker-1 executor: task 1\n"
        "Worker-1 executor -> Worker-1 executor: pop: task 1\n",
        "Task 1 -> Worker-1 executor: push task 2\n",
        "Thread 4 -> Worker-2 reactor: nudge\n",
        "Task 3 -> Worker-2 reactor: register(fd 12)\n",
        "Task 3 -> Worker-1 executor: push task 2\nTask 3 -> Worker-1 reactor: nudge\n",
        "Worker-1 executor -> Worker-1 executor: take the waker of Main\nWorker-1 executor -> Main: unpark\n"
        "Main -> Main: awake again\nMain -> Task 1: free task 1\nMain -> Main: block_on returns\n",
        NULL,
    };
    static const char *const columns[] = {"Main",
                                          "Task 1",
                                          "Task 2",
                                          "Task 3",
                                          "Global queue",
                                          "Worker-1 executor",
                                          "Worker-1 reactor",
                                          "Worker-2 executor",
                                          "Worker-2 reactor",
                                          "Thread 4",
                                          "OS kernel"};
    struct recording rec;
    struct diagram d;

    (void)state;
    script_scene("workers");
    diagram_of_script(&d, &rec);
    assert_tells_all(&d, lines);
    assert_null(d.left_out);
    assert_int_equal(d.actor_count, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < d.actor_count; i++)
        assert_string_equal(d.actors[i].name, columns[i]);
    diagram_done(&d, &rec);
}

static void a_thief_turns_the_reactor_of_another_worker(void **state)
{
    static const char *const lines[] = {
        "Worker-2 executor -> Worker-1 reactor: turn(no wait)\n",
        "[10] Worker-1 reactor -> Task 1: wake task 1\n[11] Worker-1 reactor -> Worker-2 executor: push task 1\n",
        "Task 1 -> Worker-1 reactor: wait(fd 12 readable)\n[7] Task 1 -> Worker-2 executor: PENDING\n",
        NULL,
    };
    struct recording rec;
    struct diagram d;

    (void)state;
    script_scene("steals_readiness");
    diagram_of_script(&d, &rec);
    assert_tells_all(&d, lines);
    diagram_done(&d, &rec);
}

static void a_steal_goes_from_worker_to_worker(void **state)
{
    static const char *const lines[] = {"Worker-1 executor -> Worker-2 executor: task 2 is stolen\n", NULL};
    struct recording rec;
    struct diagram d;

    (void)state;
    script_scene("steals");
    diagram_of_script(&d, &rec);
    assert_tells_all(&d, lines);
    diagram_done(&d, &rec);
}

/* All that there is of it goes: its calls, those for its reactor, its column. The picture says so. */
static void a_worker_that_only_waits_is_left_out(void **state)
{
    struct recording rec;
    struct diagram d;
    struct pool pool = {NULL};
    const char *footers[DIAGRAM_FOOTERS];

    (void)state;
    script_scene("workers");
    script.count = 0;
    while (script.records[script.count].worker == 0) /* up to the first worker's first event */
        script.count++;
    script.killed = true;
    script.thread = 3;
    script.worker = 2;
    ADD(THREAD, 0, 1002, 0);
    ADD(QUEUE_POP, 0, 4, 0);
    ADD(TURN_BEGIN, 0, 0, -1);
    ADD(SYSCALL_BEGIN, 0, TRACE_CALL_EPOLL_WAIT, ARGS(8, -1));
    script.thread = 1;
    script.worker = 0;
    ADD(UNPARK, 0, 0, 0);
    call(TRACE_CALL_WRITE, ARGS(9, 8), 8);
    call(TRACE_CALL_WRITE, ARGS(2, 5), 5);
    diagram_of_script(&d, &rec);
    assert_string_equal(d.left_out, "worker-2");
    assert_int_equal(count_text(&d, "epoll_create1", STYLE_CALL), 1);
    assert_int_equal(count_text(&d, "write(fd 9", STYLE_CALL) + count_text(&d, "nudge", STYLE_CALL), 0);
    assert_int_equal(count_text(&d, "write(fd 2", STYLE_CALL), 1);
    for (size_t i = 0; i < d.actor_count; i++)
        assert_null(strstr(d.actors[i].name, "Worker"));
    assert_int_equal(diagram_footer(&d, &pool, footers), 2);
    assert_non_null(strstr(footers[0], "left out: worker-2"));
    pool_free(&pool);
    diagram_done(&d, &rec);
}

static void worker_has_a_task_and_parks(uint16_t worker)
{
    ADD(TASK_SPAWN, worker, 1, worker);
    script.thread = worker + 1;
    script.worker = worker;
    ADD(THREAD, 0, 1000u + worker, 0);
    ADD(TASK_POLL_BEGIN, worker, STATES(Q, R), 1);
    ADD(TASK_POLL_END, worker, STATES(R, 0), 0);
    ADD(PARK_BEGIN, 0, 0, 0);
    ADD(SYSCALL_BEGIN, 0, TRACE_CALL_FUTEX_WAIT, ARGS(0, 2));
}

/* Of two workers that are parked in a futex, an unpark goes to the one that is awake next. */
static void an_unpark_goes_to_a_worker_that_sleeps_in_a_futex(void **state)
{
    static const char *const lines[] = {"Main -> Worker-2 executor: unpark\n", NULL};
    struct recording rec;
    struct diagram d;

    (void)state;
    script_start(&script);
    ADD(RUNTIME, 0, 7, TRACE_HAS_WAKES | TRACE_HAS_REACTOR | TRACE_HAS_WORKERS | TRACE_HAS_STEALING);
    worker_has_a_task_and_parks(1);
    worker_has_a_task_and_parks(2);
    script.thread = 1;
    script.worker = 0;
    ADD(UNPARK, 0, 0, 0);
    call(TRACE_CALL_FUTEX_WAKE, ARGS(0, 1), 1);
    script.thread = 3;
    script.worker = 2;
    ADD(SYSCALL_END, 0, TRACE_CALL_FUTEX_WAIT, 0);
    ADD(PARK_END, 0, 0, 0);
    script.killed = true;
    diagram_of_script(&d, &rec);
    assert_tells_all(&d, lines);
    diagram_done(&d, &rec);
}

static void begin_waiter(uint32_t source, uint64_t number)
{
    begin_reader();
    ADD(TURN_BEGIN, 0, 0, 0);
    ADD(TURN_END, 0, 0, 0);
    ADD(WAKER_CLONE, 1, 0, 0);
    ADD(WAIT, 0, source, number);
}

static void assert_waiter_tells(const char *line)
{
    struct recording rec;
    struct diagram d;
    struct words words;

    diagram_of_script(&d, &rec);
    assert_non_null(strstr(told(&d, &words), line));
    assert_int_equal(count_text(&d, "lookup", STYLE_CALL) + count_text(&d, "take waker", STYLE_CALL), 0);
    diagram_done(&d, &rec);
}

/* A future that is dropped while it waits, or polled with another waker, is not woken. */
static void a_waker_is_taken_back(void **state)
{
    static const uint32_t sources[] = {TRACE_SOURCE_READ, TRACE_SOURCE_WRITE, TRACE_SOURCE_TIMER};

    (void)state;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        begin_waiter(sources[i], 7);
        ADD(WAIT_END, 1, sources[i], 7);
        ADD(WAKER_DROP, 1, 0, 0);
        ADD(WAKE_BEGIN, 1, 0, 0); /* of another waker */
        assert_waiter_tells("\nTask 1 -> Reactor: takes its waker back\n");
    }
    begin_waiter(TRACE_SOURCE_THREAD, 1);
    ADD(WAIT_END, 0, TRACE_SOURCE_THREAD, 1);
    ADD(WAKER_DROP, 1, 0, 0);
    assert_waiter_tells("\nTask 1 -> Task 1: takes its waker back\n");
    begin_waiter(TRACE_SOURCE_THREAD, 1);
    script.thread = 2;
    ADD(WAIT_END, 0, TRACE_SOURCE_THREAD, 1);
    ADD(WAKER_DROP, 1, 0, 0);
    assert_waiter_tells("\nThread 2 -> Thread 2: lets go of a waker\n");
}

static void a_waker_may_be_used_after_a_lock_is_given_back(void **state)
{
    struct recording rec;
    struct diagram d;

    (void)state;
    begin_waiter(TRACE_SOURCE_THREAD, 1);
    script.thread = 2;
    ADD(WAIT_END, 0, TRACE_SOURCE_THREAD, 1);
    ADD(GUARD_RELEASE, 0, 0, 1);
    ADD(WAKE_BEGIN, 1, 0, 1);
    diagram_of_script(&d, &rec);
    assert_int_equal(count_text(&d, "take waker of task 1", STYLE_CALL), 1);
    diagram_done(&d, &rec);
}

static void wakers_that_are_taken_together_are_told_apart(void **state)
{
    static const char *const lines[] = {
        "Reactor -> Reactor: lookup fd 7: task 1\nReactor -> Reactor: lookup fd 8: task 2\n", NULL};
    struct recording rec;
    struct diagram d;

    (void)state;
    begin_waiter(TRACE_SOURCE_READ, 7);
    ADD(WAKER_CLONE, 2, 0, 0);
    ADD(WAIT, 0, TRACE_SOURCE_READ, 8);
    ADD(TASK_POLL_END, 1, STATES(R, 0), 0);
    ADD(TURN_BEGIN, 0, 0, -1);
    ADD(READY, 0, 7, EPOLLIN);
    ADD(WAIT_END, 0, TRACE_SOURCE_READ, 7);
    ADD(READY, 0, 8, EPOLLIN);
    ADD(WAIT_END, 0, TRACE_SOURCE_READ, 8);
    for (uint32_t task = 1; task <= 2; task++) {
        ADD(WAKE_BEGIN, task, 0, 1);
        ADD(QUEUE_PUSH, task, 1, task);
        ADD(WAKE_END, task, STATES(0, Q), 1);
    }
    ADD(TURN_END, 0, 2, 0);
    diagram_of_script(&d, &rec);
    assert_tells_all(&d, lines);
    diagram_done(&d, &rec);
}

static void a_poll_is_titled_by_what_it_does(void **state)
{
    static const struct {
        uint32_t call;
        int64_t result;
        const char *title;
    } cases[] = {
        {TRACE_CALL_RECV, 5, "second poll reads the bytes"},
        {TRACE_CALL_READ, 5, "second poll reads the bytes"},
        {TRACE_CALL_RECV, 0, "second poll"},
        {TRACE_CALL_ACCEPT, 9, "second poll accepts a connection"},
        {TRACE_CALL_ACCEPT, -EAGAIN, "second poll"},
        {TRACE_CALL_SEND, 5, "second poll writes the bytes"},
        {TRACE_CALL_WRITE, 5, "second poll writes the bytes"},
        {TRACE_CALL_CONNECT, 0, "second poll"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct recording rec;
        struct diagram d;
        const char *title = NULL;
        begin_reader();
        would_block(true);
        sleep_until(EPOLLIN, 2);
        ADD(SYSCALL_BEGIN, 0, TRACE_CALL_EVENTFD, 0);
        ADD(SYSCALL_END, 0, TRACE_CALL_EVENTFD, 8);
        call(TRACE_CALL_WRITE, ARGS(8, 8), 8); /* only rings for the reactor */
        call(cases[i].call, ARGS(7, 512), cases[i].result);
        if (cases[i].result > 0)
            call(cases[i].call == TRACE_CALL_SEND ? TRACE_CALL_RECV : TRACE_CALL_SEND, ARGS(7, 5), 5);
        end_reader();
        diagram_of_script(&d, &rec);
        for (size_t row = 0; row < d.row_count; row++)
            title = d.rows[row].step == 12 ? d.rows[row].title : title;
        assert_non_null(title);
        assert_string_equal(title, cases[i].title);
        diagram_done(&d, &rec);
    }
}

static void a_filter_shows_one_task(void **state)
{
    struct diagram_options options = {.tasks = (const uint32_t[]){2}, .task_count = 1};
    struct recording rec;
    struct diagram d;

    (void)state;
    script_start(&script);
    for (uint32_t task = 1; task <= 3; task++) {
        ADD(FUTURE_NEW, 0, 1, task);
        ADD(TASK_SPAWN, task, 1, task);
        ADD(WAIT, 0, TRACE_SOURCE_JOIN, task);
        ADD(QUEUE_POP, task, 1, 0);
        ADD(TASK_POLL_BEGIN, task, STATES(Q, R), 1);
        call(TRACE_CALL_RECV, ARGS(task, 1), 1);
        ADD(TASK_POLL_END, task, STATES(R, D), 1);
    }
    record(&rec);
    diagram_build(&d, &rec, &options);
    assert_int_equal(count_text(&d, "recv(fd 2)", STYLE_CALL), 1);
    assert_int_equal(count_text(&d, "recv(fd 1)", STYLE_CALL), 0);
    assert_int_equal(count_text(&d, "new parent", STYLE_CALL), 1);
    assert_int_equal(count_text(&d, "wait(end of task", STYLE_CALL), 1);
    for (size_t i = 0; i < d.actor_count; i++)
        assert_true(d.actors[i].kind != ACTOR_TASK || d.actors[i].number == 2);
    diagram_done(&d, &rec);
}

static void a_window_keeps_what_was_going_on(void **state)
{
    struct diagram_options options = {.from = 0, .to = 0};
    struct recording rec;
    struct diagram d;
    unsigned opened = 0;

    (void)state;
    script_lifecycle();
    record(&rec);
    options.from = rec.events[12].time; /* inside the first poll */
    options.to = rec.events[16].time;
    diagram_build(&d, &rec, &options);
    assert_int_equal(d.rows[0].kind, ROW_BAND);
    for (size_t i = 0; i < d.row_count; i++)
        opened += d.rows[i].kind == ROW_SILENT && d.rows[i].opens != NOBODY;
    assert_int_equal(opened, 3); /* the executor, the task, the reactor */
    diagram_done(&d, &rec);
}

/* ---- smaller, and honest about it ---- */

static void script_rounds(unsigned rounds)
{
    script_start(&script);
    ADD(TASK_SPAWN, 1, 1, 1);
    for (unsigned i = 1; i <= rounds; i++) {
        ADD(QUEUE_POP, 1, 1, 0);
        ADD(TASK_POLL_BEGIN, 1, STATES(Q, R), i);
        ADD(TASK_POLL_END, 1, STATES(R, Q), 0);
        ADD(QUEUE_PUSH, 1, 1, 1);
    }
}

static void repeats_are_folded_and_counted(void **state)
{
    struct recording rec;
    struct diagram d;
    uint64_t folded = 0, inside = 0, repeat = 0;

    (void)state;
    script_rounds(1000);
    diagram_of_script(&d, &rec);
    uint64_t before = diagram_drawn(&d);
    diagram_fold(&d);
    for (size_t i = 0; i < d.row_count; i++) {
        if (d.rows[i].kind == ROW_LOOP) {
            repeat = d.rows[i].repeat;
            inside = 0;
        }
        inside += d.rows[i].kind == ROW_MESSAGE;
        if (d.rows[i].kind == ROW_LOOP_END)
            folded += inside * (repeat - 1);
    }
    assert_true(diagram_drawn(&d) < 20);
    assert_int_equal(diagram_drawn(&d) + folded, before);
    diagram_done(&d, &rec);
}

static void what_is_left_out_is_counted(void **state)
{
    struct recording rec;
    struct diagram d;
    uint64_t omitted = 0;

    (void)state;
    script_rounds(100);
    diagram_of_script(&d, &rec);
    uint64_t before = diagram_drawn(&d);
    diagram_shorten(&d, 10, 5);
    for (size_t i = 0; i < d.row_count; i++)
        omitted += d.rows[i].kind == ROW_OMITTED ? d.rows[i].repeat : 0;
    assert_int_equal(diagram_drawn(&d), 15);
    assert_int_equal(omitted, before - 15);
    diagram_done(&d, &rec);
}

static void pages_leave_no_message_out(void **state)
{
    struct recording rec;
    struct diagram d;
    unsigned count;
    size_t messages = 0;

    (void)state;
    script_rounds(100);
    diagram_of_script(&d, &rec);
    struct page *pages = pages_make(&d, 60, &count);
    struct columns columns;
    columns_make(&columns, &d, false);
    for (unsigned i = 0; i < count; i++) {
        struct layout l;
        layout_make(&l, &d, &columns, &pages[i]);
        assert_true(l.arrows_count <= 60);
        messages += l.arrows_count;
        layout_free(&l);
    }
    assert_int_equal(messages, d.messages);
    columns_free(&columns);
    free(pages);
    diagram_done(&d, &rec);
}

/* ---- nothing lies on anything else ---- */

static bool overlap(const struct box *a, const struct box *b)
{
    const double slack = 0.01;

    return a->x + a->w > b->x + slack && b->x + b->w > a->x + slack && a->y + a->h > b->y + slack &&
           b->y + b->h > a->y + slack;
}

struct boxes {
    struct box box[8192];
    const char *what[8192];
    size_t count;
};

static struct boxes boxes;

static void boxes_add(const struct box *box, const char *what)
{
    assert_true(boxes.count < 8192);
    boxes.box[boxes.count] = *box;
    boxes.what[boxes.count++] = what;
}

static void assert_apart(const struct box *box, const char *what, const char *scene)
{
    for (size_t i = 0; i < boxes.count; i++)
        if (overlap(box, &boxes.box[i]))
            fail_msg("%s: '%s' lies on '%s'", scene, what, boxes.what[i]);
}

static void assert_inside(const struct layout *l, const struct box *box, const char *what, const char *scene)
{
    if (box->x < 0 || box->y < 0 || box->x + box->w > l->width || box->y + box->h > l->height)
        fail_msg("%s: '%s' is not on the page", scene, what);
}

/* Texts, labels and notes against each other, against bars, and labels against other arrows' lines. */
static void assert_nothing_overlaps(const struct layout *l, const char *scene)
{
    boxes.count = 0;
    for (size_t i = 0; i < l->bars_count; i++) {
        assert_true(l->bars[i].box.h >= 0);
        boxes_add(&l->bars[i].box, "a bar");
    }
    for (size_t i = 0; i < l->arrows_count; i++) {
        const struct laid_arrow *a = &l->arrows[i];
        struct box line = {a->from < a->to ? a->from : a->to, a->y - 0.5,
                           a->from < a->to ? a->to - a->from : a->from - a->to, 1};
        if (a->to_self)
            continue;
        for (size_t j = 0; j < l->arrows_count; j++)
            if (overlap(&line, &l->arrows[j].label.box))
                fail_msg("%s: an arrow goes through '%s'", scene, l->arrows[j].label.text);
        for (size_t j = 0; j < l->notes_count; j++)
            if (overlap(&line, &l->notes[j].box))
                fail_msg("%s: an arrow goes through the note '%s'", scene, l->notes[j].text);
    }
    for (size_t i = 0; i < l->arrows_count; i++) {
        const struct laid_text *label = &l->arrows[i].label;
        assert_apart(&label->box, label->text, scene);
        assert_inside(l, &label->box, label->text, scene);
        boxes_add(&label->box, label->text);
    }
    for (size_t i = 0; i < l->notes_count; i++) {
        assert_apart(&l->notes[i].box, l->notes[i].text, scene);
        assert_inside(l, &l->notes[i].box, l->notes[i].text, scene);
        boxes_add(&l->notes[i].box, l->notes[i].text);
    }
    for (size_t i = 0; i < l->texts_count; i++) {
        assert_apart(&l->texts[i].box, l->texts[i].text, scene);
        assert_inside(l, &l->texts[i].box, l->texts[i].text, scene);
        boxes_add(&l->texts[i].box, l->texts[i].text);
    }
    for (size_t i = 0; i < l->heads_count; i++)
        for (size_t j = i + 1; j < l->heads_count; j++)
            assert_false(overlap(&l->heads[i].box, &l->heads[j].box));
}

static void assert_lies_well(const struct diagram *d, const char *scene)
{
    static const uint64_t sizes[] = {7, 60, 100000};

    for (int notes = 0; notes < 2; notes++) {
        struct columns columns;
        columns_make(&columns, d, notes);
        for (size_t size = 0; size < 3; size++) {
            unsigned count;
            struct page *pages = pages_make(d, sizes[size], &count);
            for (unsigned i = 0; i < count && i < 20; i++) {
                struct layout l;
                layout_make(&l, d, &columns, &pages[i]);
                assert_nothing_overlaps(&l, scene);
                layout_free(&l);
            }
            free(pages);
        }
        columns_free(&columns);
    }
}

/* Every output of one diagram, held against what is always true of it. */
static char *output(int (*render)(const struct diagram *d, FILE *out), const struct diagram *d, size_t *size)
{
    static char *bytes; /* static, or gcc believes that the caller gets its address */
    FILE *out = open_memstream(&bytes, size);

    assert_non_null(out);
    assert_int_equal(render(d, out), 0);
    fclose(out);
    return bytes;
}

static int as_mermaid(const struct diagram *d, FILE *out)
{
    return render_mermaid(d, true, out);
}

static int as_ascii(const struct diagram *d, FILE *out)
{
    return render_text(d, &(struct text_options){.notes = true}, out);
}

static int as_utf8(const struct diagram *d, FILE *out)
{
    return render_text(d, &(struct text_options){.utf8 = true}, out);
}

static int as_perfetto(const struct diagram *d, FILE *out)
{
    return render_perfetto(d->rec, out);
}

static void assert_80_columns(int (*render)(const struct diagram *d, FILE *out), const struct diagram *d)
{
    size_t size;
    char *text = output(render, d, &size);

    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        size_t columns = 0;
        for (const char *c = line; *c; c++)
            columns += ((unsigned char)*c & 0xc0) != 0x80;
        if (columns > 80)
            fail_msg("%zu columns: %s", columns, line);
    }
    free(text);
}

static void assert_blocks_nest(const struct diagram *d)
{
    size_t size;
    char *text = output(as_mermaid, d, &size);
    int depth = 0, active[64] = {0}, actor;

    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        line += strspn(line, " ");
        depth += strncmp(line, "rect ", 5) == 0 || strncmp(line, "loop ", 5) == 0;
        depth -= strcmp(line, "end") == 0;
        assert_true(depth >= 0);
        if (sscanf(line, "activate a%d", &actor) == 1)
            active[actor]++;
        if (sscanf(line, "deactivate a%d", &actor) == 1)
            assert_true(--active[actor] >= 0);
    }
    assert_int_equal(depth, 0);
    free(text);
}

/* ---- JSON, as little of it as Perfetto's input needs ---- */

static const char *json_value(const char *c);

static const char *json_string(const char *c)
{
    assert_int_equal(*c, '"');
    for (c++; *c != '"'; c++) {
        assert_true((unsigned char)*c >= ' ');
        if (*c == '\\')
            assert_non_null(strchr("\"\\/bfnrt", *++c));
    }
    return c + 1;
}

static const char *json_many(const char *c, char close, bool keys)
{
    for (c++; *c != close;) {
        if (keys) {
            c = json_string(c + strspn(c, " \n"));
            assert_int_equal(*c++, ':');
        }
        c = json_value(c + strspn(c, " \n"));
        c += strspn(c, " \n");
        if (*c != close)
            assert_int_equal(*c++, ',');
        c += strspn(c, " \n");
    }
    return c + 1;
}

static const char *json_value(const char *c)
{
    if (*c == '{')
        return json_many(c, '}', true);
    if (*c == '[')
        return json_many(c, ']', false);
    if (*c == '"')
        return json_string(c);
    size_t length = strspn(c, "0123456789.-");
    assert_true(length > 0);
    return c + length;
}

/* Slices nest in each thread, times do not go back there, and each flow has a start and an end. */
static void assert_trace_events(const struct diagram *d)
{
    size_t size;
    char *text = output(as_perfetto, d, &size);
    int depth[256] = {0};
    size_t starts = 0, ends = 0;

    assert_string_equal(json_value(text), "\n");
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char phase;
        unsigned pid, thread;
        if (sscanf(line, "{\"ph\":\"%c\",\"pid\":%u,\"tid\":%u", &phase, &pid, &thread) != 3)
            continue;
        assert_true(thread < 256);
        depth[thread] += phase == 'B';
        depth[thread] -= phase == 'E';
        assert_true(depth[thread] >= 0);
        starts += phase == 's';
        ends += phase == 'f';
    }
    for (int thread = 0; thread < 256; thread++)
        assert_int_equal(depth[thread], 0);
    assert_int_equal(starts, ends);
    free(text);
}

static void assert_sound(const struct recording *rec, const char *scene)
{
    struct diagram d;

    diagram_build(&d, rec, &everything);
    for (int folded = 0; folded < 2; folded++) {
        assert_lies_well(&d, scene);
        assert_80_columns(as_ascii, &d);
        assert_80_columns(as_utf8, &d);
        assert_blocks_nest(&d);
        diagram_fold(&d);
    }
    diagram_shorten(&d, 20, 10);
    assert_lies_well(&d, scene);
    assert_blocks_nest(&d);
    assert_trace_events(&d);
    diagram_free(&d);
}

static void every_scene_is_drawn_well(void **state)
{
    (void)state;
    for (const struct scene *scene = scenes; scene->name; scene++) {
        struct recording rec;
        script_start(&script);
        scene->write(&script);
        record(&rec);
        assert_sound(&rec, scene->name);
        recording_close(&rec);
    }
}

/* Nonsense is drawn too: ends without beginnings, kinds that do not exist, descriptors below zero. */
static void nonsense_is_drawn_well(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (int run = 0; run < 40; run++) {
        struct recording rec;
        char name[32];
        script_start(&script);
        for (int i = 0; i < 150; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            unsigned bits = (unsigned)(seed >> 33);
            script.thread = (uint16_t)(1 + bits % 3);
            script_add(&script, (enum trace_kind)(1 + (bits >> 2) % 84), (bits >> 9) % 4, (bits >> 11) % 24,
                       (bits >> 16) % 16 == 0 ? (uint64_t)-1 : (bits >> 20) % 12);
        }
        record(&rec);
        snprintf(name, sizeof name, "nonsense %d", run);
        assert_sound(&rec, name);
        recording_close(&rec);
    }
}

/* However many tasks, queues and threads there are, the columns fit on a page. */
static void crowds_share_a_column(void **state)
{
    struct recording rec;
    struct diagram d;

    (void)state;
    script_start(&script);
    for (uint32_t i = 1; i <= 200; i++) {
        script.thread = (uint16_t)i;
        script_add(&script, TRACE_TASK_FREE, i, 0, 0);
        script_add(&script, TRACE_QUEUE_PUSH, i, i, 1);
        script_add(&script, TRACE_QUEUE_POP, i, i, 1);
        script_add(&script, TRACE_TURN_BEGIN, 0, 0, 0);
    }
    record(&rec);
    assert_sound(&rec, "crowds");
    diagram_build(&d, &rec, &everything);
    assert_true(d.actor_count < 60);
    diagram_done(&d, &rec);
}

static void labels_of_any_length_lie_well(void **state)
{
    static const char *const labels[] = {"", "<&\">'\\N;#%",
                                         ("a name that is a good deal longer than any name should be, "
                                          "and then goes on for a while, as names from a generator do"),
                                         "\xc3\xa4\xe2\x86\x92\xf0\x9f\x90\xa2", "\xff\xfe\n\t"};

    (void)state;
    for (size_t label = 0; label < sizeof labels / sizeof *labels; label++) {
        struct recording rec;
        script_lifecycle();
        script_add(&script, TRACE_NOTE, 0, 0, 3);
        record(&rec);
        for (uint32_t i = 1; i <= rec.site_count; i++)
            rec.places[i].label = rec.places[i].file = labels[label];
        assert_sound(&rec, labels[label]);
        recording_close(&rec);
    }
}

static void little_or_nothing_is_drawn_too(void **state)
{
    struct recording rec;

    (void)state;
    script_start(&script);
    record(&rec);
    assert_sound(&rec, "empty");
    recording_close(&rec);
    script_start(&script);
    script_add(&script, TRACE_NOTE, 0, 0, 0);
    script_add(&script, TRACE_NOTE, 0, 0, 7);
    record(&rec);
    assert_sound(&rec, "notes only");
    recording_close(&rec);
    script_start(&script);
    script_add(&script, (enum trace_kind)99, 0, 0, 0);
    record(&rec);
    assert_sound(&rec, "unknown kinds only");
    recording_close(&rec);
}

/* A label that leaves no room for its line of source pushes it to the next line, and loses nothing. */
static void a_text_names_every_line_of_source(void **state)
{
    struct recording rec;
    struct diagram d;
    size_t size, found = 0, expected = 0;

    (void)state;
    script_lifecycle();
    record(&rec);
    for (uint32_t i = 1; i <= rec.site_count; i++)
        rec.places[i].file = "a_name_of_some_length.c";
    diagram_build(&d, &rec, &everything);
    char *text = output(as_utf8, &d, &size);
    for (const char *at = strstr(text, " a_name_of_some_length.c:"); at;
         at = strstr(at + 1, " a_name_of_some_length.c:"))
        found++;
    for (size_t i = 0; i < d.row_count; i++)
        expected += d.rows[i].kind == ROW_MESSAGE && d.rows[i].style != STYLE_INFERRED;
    assert_int_equal(found, expected);
    free(text);
    diagram_done(&d, &rec);
}

/* However narrow the columns are, their names do not touch, and the numbers of tasks are whole. */
static void headings_in_a_text_do_not_touch(void **state)
{
    struct recording rec;
    struct diagram d;
    size_t size;

    (void)state;
    script_start(&script);
    for (uint32_t task = 90; task < 99; task++)
        ADD(TASK_FREE, task, 0, 0);
    diagram_of_script(&d, &rec);
    char *text = output(as_ascii, &d, &size);
    assert_non_null(strstr(text, " tas90 tas92 tas94 tas96 tas98\n"));
    assert_non_null(strstr(text, " main .tas91.tas93.tas95.tas97.\n"));
    free(text);
    diagram_done(&d, &rec);
}

/* ---- Graphviz ---- */

static char *page_as(const struct diagram *d, const char *format, size_t *size)
{
    struct columns columns;
    struct layout l;
    unsigned count;
    char *bytes = NULL;
    struct page *pages = pages_make(d, 1000, &count);
    FILE *out = open_memstream(&bytes, size);

    columns_make(&columns, d, true);
    layout_make(&l, d, &columns, &pages[0]);
    assert_int_equal(render_graphviz(&l, format, "https://example.org/", out), 0);
    fclose(out);
    layout_free(&l);
    columns_free(&columns);
    free(pages);
    return bytes;
}

static void the_same_recording_gives_the_same_picture(void **state)
{
    (void)state;
    char *first = NULL;
    size_t first_size = 0;
    script_lifecycle();
    for (int i = 0; i < 3; i++) {
        struct recording rec;
        struct diagram d;
        size_t size;
        diagram_of_script(&d, &rec);
        char *svg = page_as(&d, "svg", &size);
        if (first) {
            assert_int_equal(size, first_size);
            assert_memory_equal(svg, first, size);
            free(svg);
        } else {
            first = svg;
            first_size = size;
        }
        diagram_done(&d, &rec);
    }
    free(first);
}

/* Arrows come in the order of the recording, each with the line that caused it. */
static void every_arrow_links_to_its_line(void **state)
{
    struct recording rec;
    struct diagram d;
    size_t size;

    (void)state;
    script_lifecycle();
    diagram_of_script(&d, &rec);
    char *svg = page_as(&d, "svg", &size);
    const char *at = svg;
    for (size_t i = 0; i < d.row_count; i++) {
        const struct row *row = &d.rows[i];
        char id[40], link[80];
        if (row->kind != ROW_MESSAGE)
            continue;
        snprintf(id, sizeof id, "id=\"message_%u\"", (unsigned)row->number);
        at = strstr(at, id);
        assert_non_null(at);
        const struct place *place = event_place(&rec, &rec.events[row->event]);
        snprintf(link, sizeof link, "xlink:href=\"https://example.org/%s#L%u\"", place->file, (unsigned)place->line);
        const char *href = strstr(at, "xlink:href"), *next = strstr(at + 1, "id=\"message_");
        assert_non_null(href);
        assert_true(!next || href < next);
        assert_memory_equal(href, link, strlen(link));
    }
    free(svg);
    diagram_done(&d, &rec);
}

static void markup_in_names_stays_text(void **state)
{
    struct recording rec;
    struct diagram d;
    size_t size;

    (void)state;
    script_lifecycle();
    record(&rec);
    for (uint32_t i = 1; i <= rec.site_count; i++) {
        rec.places[i].label = "<b>&lt;\"'\\N";
        rec.places[i].file = "javascript:alert(1)//\"><x>.c";
    }
    diagram_build(&d, &rec, &everything);
    char *svg = page_as(&d, "svg", &size);
    assert_null(strstr(svg, "<b>"));
    assert_null(strstr(svg, "<x>"));
    assert_null(strstr(svg, "\"javascript"));
    assert_non_null(strstr(svg, "&lt;b&gt;&amp;lt;"));
    free(svg);
    diagram_done(&d, &rec);
}

/* ---- the command ---- */

static int draw(const char *format, const char *option, const char *value, char *file, size_t size)
{
    char *argv[] = {"draw",         (char *)scratch_path(), "-T", (char *)format, "-o", file,
                    (char *)option, (char *)value,          NULL};

    snprintf(file, size, "%s.%s", scratch_path(), format);
    return draw_main(option ? value ? 8 : 7 : 6, argv);
}

static size_t file_size(const char *file)
{
    FILE *in = fopen(file, "rb");

    if (!in)
        return 0;
    fseek(in, 0, SEEK_END);
    long size = ftell(in);
    fclose(in);
    return (size_t)size;
}

static void every_format_makes_a_file(void **state)
{
    static const char *const formats[] = {"svg", "png", "pdf", "dot", "mermaid", "text", "perfetto"};
    char file[300];

    (void)state;
    script_lifecycle();
    script_write(&script, scratch_path());
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        assert_int_equal(draw(formats[i], "--stage-notes", NULL, file, sizeof file), 0);
        assert_true(file_size(file) > 1000);
        unlink(file);
    }
    unlink(scratch_path());
}

static void a_long_picture_becomes_pages(void **state)
{
    char file[300], page[310];

    (void)state;
    script_start(&script);
    for (uint32_t i = 0; i < 200; i++) /* nothing that could be folded */
        script_add(&script, TRACE_DEREGISTER, 0, i * i, 0);
    script_write(&script, scratch_path());
    assert_int_equal(draw("png", NULL, NULL, file, sizeof file), 0);
    assert_int_equal(file_size(file), 0);
    for (unsigned i = 1; i <= 5; i++) {
        snprintf(page, sizeof page, "%.*s-%u.png", (int)strlen(file) - 4, file, i);
        assert_true(i <= 4 ? file_size(page) > 1000 : file_size(page) == 0);
        unlink(page);
    }
    assert_int_equal(draw("png", "--page", "4", file, sizeof file), 0);
    assert_true(file_size(file) > 1000);
    assert_int_equal(draw("png", "--page", "5", file, sizeof file), 2);
    unlink(file);
    unlink(scratch_path());
}

static void bad_usage_is_refused(void **state)
{
    static const char *const bad[][2] = {{"--task", "0"}, {"--task", "x"}, {"--task", "-1"}, {"--from", "1 day"},
                                         {"--to", "-5"},  {"--page", "0"}, {"-T", "gif"},    {"-T", "html"},
                                         {"--what", "1"}, {"-T", NULL},    {"--task", "77"}};
    char *backwards[] = {"draw", (char *)scratch_path(), "--from", "10", "--to", "5", NULL};
    char file[300];

    (void)state;
    script_lifecycle();
    script_write(&script, scratch_path());
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(draw("svg", bad[i][0], bad[i][1], file, sizeof file), 2);
    assert_int_equal(file_size(file), 0);
    assert_int_equal(draw_main(6, backwards), 2);
    unlink(scratch_path());
    assert_int_equal(draw("svg", NULL, NULL, file, sizeof file), 2);
    assert_int_equal(draw_main(1, (char *[]){"draw", NULL}), 2);
}

static int remove_scratch(void **state)
{
    (void)state;
    unlink(scratch_path());
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lifecycle_is_told_event_by_event),
        cmocka_unit_test(bytes_that_are_there_need_no_wait),
        cmocka_unit_test(two_reads_wait_twice),
        cmocka_unit_test(a_reset_is_inferred_as_one),
        cmocka_unit_test(a_killed_run_ends_where_it_was_killed),
        cmocka_unit_test(futures_polled_by_hand_have_columns_and_phases),
        cmocka_unit_test(children_of_one_type_are_numbered),
        cmocka_unit_test(children_of_one_type_in_a_task_are_numbered),
        cmocka_unit_test(workers_have_an_executor_and_a_reactor_each),
        cmocka_unit_test(a_thief_turns_the_reactor_of_another_worker),
        cmocka_unit_test(a_steal_goes_from_worker_to_worker),
        cmocka_unit_test(a_worker_that_only_waits_is_left_out),
        cmocka_unit_test(an_unpark_goes_to_a_worker_that_sleeps_in_a_futex),
        cmocka_unit_test(a_waker_is_taken_back),
        cmocka_unit_test(a_waker_may_be_used_after_a_lock_is_given_back),
        cmocka_unit_test(wakers_that_are_taken_together_are_told_apart),
        cmocka_unit_test(a_poll_is_titled_by_what_it_does),
        cmocka_unit_test(a_filter_shows_one_task),
        cmocka_unit_test(a_window_keeps_what_was_going_on),
        cmocka_unit_test(repeats_are_folded_and_counted),
        cmocka_unit_test(what_is_left_out_is_counted),
        cmocka_unit_test(pages_leave_no_message_out),
        cmocka_unit_test(every_scene_is_drawn_well),
        cmocka_unit_test(nonsense_is_drawn_well),
        cmocka_unit_test(crowds_share_a_column),
        cmocka_unit_test(labels_of_any_length_lie_well),
        cmocka_unit_test(little_or_nothing_is_drawn_too),
        cmocka_unit_test(a_text_names_every_line_of_source),
        cmocka_unit_test(headings_in_a_text_do_not_touch),
        cmocka_unit_test(the_same_recording_gives_the_same_picture),
        cmocka_unit_test(every_arrow_links_to_its_line),
        cmocka_unit_test(markup_in_names_stays_text),
        cmocka_unit_test(every_format_makes_a_file),
        cmocka_unit_test(a_long_picture_becomes_pages),
        cmocka_unit_test(bad_usage_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, remove_scratch);
}
