/* LINK: @tests/support.link */
/* A worker that goes to sleep misses nothing, whoever has something for it and
 * when; and no more workers are woken than there is work for. */
#include "support.h"

#include "timer.h"

#include <pthread.h>

static struct runtime rt;

static void join_and_drop(struct join_handle *handle)
{
    assert_int_equal(runtime_block_on(&rt, handle), 0);
    future_drop(&handle->base);
}

/* --- at every step of a worker that runs out of work, sleeps, and is woken ---
 */

static struct {
    struct bell bell; /* its task waits on the worker */
    struct join_handle handle;
    struct tally spawned;
    struct strings other_worker;
} scene;

static void spawn_here(void *unused)
{
    struct script task = script(&scene.spawned, ready_step, NULL);

    (void)unused;
    sure(task_spawn(&rt, &task, NULL) == 0);
}

static void spawn_elsewhere(void *unused)
{
    elsewhere(spawn_here, unused);
}

static bool was_spawned(void)
{
    return atomic_load(&scene.spawned.drops) == 1;
}

static void ring_elsewhere(void *unused)
{
    (void)unused;
    elsewhere(bell_ring, &scene.bell);
}

static void ring_on_another_worker(void *unused)
{
    (void)unused;
    puppet_do(&scene.other_worker, bell_ring, &scene.bell);
}

static bool was_rung(void)
{
    return atomic_load(&scene.bell.tally.polls) == 2;
}

static void abort_here(void *unused)
{
    (void)unused;
    join_handle_abort(&scene.handle);
}

static void abort_elsewhere(void *unused)
{
    elsewhere(abort_here, unused);
}

static bool was_aborted(void)
{
    return atomic_load(&scene.bell.tally.drops) == 1;
}

struct moment {
    unsigned n;
    action *act;
};

static enum poll set_moment(struct script *self, struct context *cx)
{
    const struct moment *moment = self->arg;

    (void)cx;
    at_nth(moment->n, moment->act, NULL);
    return POLL_READY;
}

/* Wakes the worker. It is not waited for with block_on, as that would make one
 * step more or less. */
static void run_detached(enum poll (*step)(struct script *self, struct context *cx), void *arg)
{
    static struct tally tally;
    struct script task = script(&tally, step, arg);

    atomic_store(&tally.drops, 0);
    assert_int_equal(task_spawn(&rt, &task, NULL), 0);
    wait_until(tally.drops == 1);
}

/* Waits until the moment has come, or cannot come any more before somebody
 * wakes the worker; true if it came. Then what it set off happens without
 * anybody's help, or the test hangs. */
static bool settle(bool (*happened)(void), unsigned asleep)
{
    wait_until(at_nth_reached() || workers_asleep(&rt) == asleep);
    if (at_nth_reached())
        wait_until(happened());
    return at_nth_reached();
}

/* The worker runs a task, runs out of work, sleeps; is woken for another one,
 * runs it, and sleeps again. At its n-th step act is done, on another thread.
 * False: it makes fewer steps. other: there is a second worker, which is busy.
 */
static bool act_at(unsigned n, action *act, bool (*happened)(void), bool other)
{
    struct moment moment = {n, act};

    scene.spawned = (struct tally){0};
    assert_int_equal(runtime_init(&rt, other ? 2 : 1), 0);
    if (other)
        puppet_spawn(&rt, &scene.other_worker, NULL);
    bell_init(&scene.bell);
    scene.handle = bell_spawn(&rt, &scene.bell);
    wait_until(workers_asleep(&rt) == 1);
    run_detached(set_moment, &moment);
    bool reached = settle(happened, 1);
    if (!reached) {
        run_detached(ready_step, NULL);
        reached = settle(happened, 1);
    }
    at_nth_forget();
    bell_ring(&scene.bell);
    join_and_drop(&scene.handle);
    puppet_end(&scene.other_worker);
    runtime_destroy(&rt);
    assert_int_equal(scene.bell.tally.drops, 1);
    return reached;
}

static void act_at_every_step(action *act, bool (*happened)(void), bool other)
{
    unsigned n = 1;

    while (act_at(n, act, happened, other))
        n++;
    assert_in_range(n, 20, 200);
}

static void test_a_spawn_at_every_step(void **state)
{
    (void)state;
    act_at_every_step(spawn_elsewhere, was_spawned, false);
}

static void test_a_wake_at_every_step(void **state)
{
    (void)state;
    act_at_every_step(ring_elsewhere, was_rung, false);
}

static void test_a_wake_by_another_worker_at_every_step(void **state)
{
    (void)state;
    act_at_every_step(ring_on_another_worker, was_rung, true);
}

static void test_an_abort_at_every_step(void **state)
{
    (void)state;
    act_at_every_step(abort_elsewhere, was_aborted, false);
}

/* --- who is woken, and how often --- */

static void spawn_ready(struct tally *tally)
{
    struct script task = script(tally, ready_step, NULL);
    assert_int_equal(task_spawn(&rt, &task, NULL), 0);
}

static void test_a_spawn_wakes_one_worker(void **state)
{
    struct tally tally = {0};

    (void)state;
    assert_int_equal(runtime_init(&rt, 4), 0);
    wait_until(workers_asleep(&rt) == 4);
    unsigned waits = calls_made(CALL_EPOLL_WAIT);
    spawn_ready(&tally);
    wait_until(tally.drops == 1 && workers_asleep(&rt) == 4);
    assert_int_equal(calls_made(CALL_WRITE), 1);
    assert_int_equal(calls_made(CALL_EPOLL_WAIT), waits + 1); /* it finds the task at once when it wakes */
    runtime_destroy(&rt);
}

/* Each runs until both do. */
static atomic_int together;

static enum poll together_step(struct script *self, struct context *cx)
{
    (void)self, (void)cx;
    atomic_fetch_add(&together, 1);
    wait_until(atomic_load(&together) == 2);
    return POLL_READY;
}

static void test_two_spawns_wake_two_workers(void **state)
{
    struct tally tally = {0};

    (void)state;
    atomic_store(&together, 0);
    assert_int_equal(runtime_init(&rt, 2), 0);
    wait_until(workers_asleep(&rt) == 2);
    for (int i = 0; i < 2; i++) {
        struct script task = script(&tally, together_step, NULL);
        assert_int_equal(task_spawn(&rt, &task, NULL), 0);
    }
    wait_until(tally.drops == 2);
    runtime_destroy(&rt);
}

/* A worker sleeps beside a busy one, which has just been given something by
 * another thread: it is the sleeper's. */
static void test_a_busy_worker_is_not_called(void **state)
{
    struct strings busy;
    struct tally tally = {0};

    (void)state;
    assert_int_equal(runtime_init(&rt, 2), 0);
    puppet_spawn(&rt, &busy, NULL);
    wait_until(workers_asleep(&rt) == 1);
    for (int i = 1; i <= 10; i++) {
        spawn_ready(&tally);
        wait_until(tally.drops == i && workers_asleep(&rt) == 1);
    }
    puppet_end(&busy);
    runtime_destroy(&rt);
}

/* Nobody called it for a spawn: a wake of one of its tasks ended its sleep. It is awake all the same. */
static struct waker for_busy;
static atomic_bool may_end;

static enum poll be_busy_when_woken(struct script *self, struct context *cx)
{
    if (self->tally->polls == 1) {
        for_busy = waker_clone(cx->waker);
        return POLL_PENDING;
    }
    wait_until(atomic_load(&may_end));
    return POLL_READY;
}

static void test_a_worker_that_was_woken_for_a_task_is_not_called(void **state)
{
    struct tally busy = {0}, comes = {0};
    struct script task = script(&busy, be_busy_when_woken, NULL);

    (void)state;
    atomic_store(&may_end, false);
    assert_int_equal(runtime_init(&rt, 2), 0);
    struct strings *second = puppet_spawn_on(&rt, 2);
    assert_int_equal(task_spawn(&rt, &task, NULL), 0); /* so it is the first's, which would be called first */
    wait_until(workers_asleep(&rt) == 1);
    puppet_end(second);
    wait_until(workers_asleep(&rt) == 2);
    waker_wake(for_busy);
    wait_until(busy.polls == 2);
    pthread_mutex_lock(&rt.injection.lock);
    assert_int_equal(rt.injection.idle, 1 << 1); /* the second alone */
    pthread_mutex_unlock(&rt.injection.lock);
    spawn_ready(&comes);
    wait_until(comes.drops == 1);
    atomic_store(&may_end, true);
    runtime_destroy(&rt);
    assert_int_equal(busy.drops, 1);
}

static void test_nobody_is_called_while_all_are_busy(void **state)
{
    struct strings busy[2];
    struct tally tally = {0};

    (void)state;
    assert_int_equal(runtime_init(&rt, 2), 0);
    puppet_spawn(&rt, &busy[0], NULL);
    puppet_spawn(&rt, &busy[1], NULL);
    assert_int_not_equal(busy[0].worker, busy[1].worker);
    unsigned writes = calls_made(CALL_WRITE);
    for (int i = 0; i < 10; i++)
        spawn_ready(&tally);
    assert_int_equal(calls_made(CALL_WRITE), writes);
    puppet_end(&busy[0]);
    wait_until(tally.drops == 10);
    puppet_end(&busy[1]);
    runtime_destroy(&rt);
}

/* One was called and has not come yet; the next spawn calls the other, and the
 * third finds that all are called. */
static atomic_bool may_come;

static void come_later(void *unused)
{
    (void)unused;
    wait_until(atomic_load(&may_come));
}

static void test_a_called_worker_is_not_called_again(void **state)
{
    struct tally tally = {0};

    (void)state;
    atomic_store(&may_come, false);
    assert_int_equal(runtime_init(&rt, 2), 0);
    wait_until(workers_asleep(&rt) == 2);
    at_point(TRACE_TURN_END, 0, come_later, NULL);
    at_point(TRACE_TURN_END, 0, come_later, NULL);
    for (int i = 0; i < 3; i++)
        spawn_ready(&tally);
    assert_int_equal(calls_made(CALL_WRITE), 2);
    atomic_store(&may_come, true);
    wait_until(tally.drops == 3);
    runtime_destroy(&rt);
}

/* The first takes only one of the two, although both are there: the second has
 * been called for the other. */
static void come_when_one_runs(void *unused)
{
    (void)unused;
    wait_until(atomic_load(&together) == 1);
}

static void come_first(void *unused)
{
    (void)unused;
    wait_until(atomic_load(&may_come));
}

static void test_a_called_worker_takes_one_task(void **state)
{
    struct tally tally = {0};

    (void)state;
    atomic_store(&together, 0);
    atomic_store(&may_come, false);
    assert_int_equal(runtime_init(&rt, 2), 0);
    wait_until(workers_asleep(&rt) == 2);
    at_point(TRACE_TURN_END, 0, come_first, NULL);
    at_point(TRACE_TURN_END, 0, come_when_one_runs, NULL);
    for (int i = 0; i < 2; i++) {
        struct script task = script(&tally, together_step, NULL);
        assert_int_equal(task_spawn(&rt, &task, NULL), 0);
    }
    atomic_store(&may_come, true);
    wait_until(tally.drops == 2);
    runtime_destroy(&rt);
}

/* --- wakes --- */

enum { BELLS = 50 };

static struct bell bells[BELLS];
static struct join_handle handles[BELLS];

static void ring_all(void *unused)
{
    (void)unused;
    for (int i = 0; i < BELLS; i++)
        bell_ring(&bells[i]);
}

static void ring_all_elsewhere(void *unused)
{
    elsewhere(ring_all, unused);
}

/* While the worker is about to wait: the first of them nudges, and that is
 * enough. */
static void test_many_wakes_make_one_nudge(void **state)
{
    (void)state;
    assert_int_equal(runtime_init(&rt, 1), 0);
    for (int i = 0; i < BELLS; i++) {
        bell_init(&bells[i]);
        handles[i] = bell_spawn(&rt, &bells[i]);
    }
    wait_until(workers_asleep(&rt) == 1);
    unsigned writes = calls_made(CALL_WRITE);
    at_point(TRACE_SYSCALL_BEGIN, TRACE_CALL_EPOLL_WAIT, ring_all_elsewhere, NULL);
    run_detached(ready_step, NULL); /* makes it come there again */
    for (int i = 0; i < BELLS; i++)
        wait_until(bells[i].tally.polls == 2);
    assert_int_equal(calls_made(CALL_WRITE), writes + 2);
    for (int i = 0; i < BELLS; i++)
        join_and_drop(&handles[i]);
    runtime_destroy(&rt);
}

/* A timer woke the worker; another thread wakes a task of its while it polls:
 * it is not asleep any more. */
static void ring_bell_elsewhere(void *bell)
{
    elsewhere(bell_ring, bell);
}

static atomic_uint writes_then;

static void ring_at_poll_end(void *bell)
{
    atomic_store(&writes_then, calls_made(CALL_WRITE));
    at_point(TRACE_TASK_POLL_END, 0, ring_bell_elsewhere, bell);
}

static void test_a_wake_of_a_worker_that_is_awake_makes_no_call(void **state)
{
    struct sleep sleep = sleep_for(MILLISECONDS(5));
    struct join_handle handle;
    struct bell bell;

    (void)state;
    assert_int_equal(runtime_init(&rt, 1), 0);
    bell_init(&bell);
    struct join_handle bell_handle = bell_spawn(&rt, &bell);
    at_point(TRACE_TIMER_FIRE, 0, ring_at_poll_end, &bell);
    assert_int_equal(task_spawn(&rt, &sleep, &handle), 0);
    wait_until(bell.tally.polls == 2);
    assert_int_equal(calls_made(CALL_WRITE), writes_then);
    join_and_drop(&handle);
    join_and_drop(&bell_handle);
    runtime_destroy(&rt);
}

/* A task goes back to the worker that has it, although another one sleeps. */
static void test_a_wake_goes_to_its_worker(void **state)
{
    struct bell bell;

    (void)state;
    assert_int_equal(runtime_init(&rt, 2), 0);
    bell_init(&bell);
    struct join_handle handle = bell_spawn(&rt, &bell);
    wait_until(workers_asleep(&rt) == 2);
    unsigned worker = bell.worker;
    struct strings *busy = puppet_spawn_on(&rt, worker);
    wait_until(workers_asleep(&rt) == 1);
    bell_ring(&bell);
    assert_int_equal(bell.tally.polls, 1); /* it waits for its own worker, which is busy */
    puppet_end(busy);
    join_and_drop(&handle);
    assert_int_equal(bell.tally.polls, 2);
    assert_int_equal(bell.worker, worker);
    runtime_destroy(&rt);
}

/* --- a busy worker looks up now and then --- */

struct looker {
    struct tally *spinner;
    atomic_int spawned_at, polled_at;
};

static enum poll note_when_polled(struct script *self, struct context *cx)
{
    struct looker *looker = self->arg;

    (void)cx;
    atomic_store(&looker->polled_at, looker->spinner->polls);
    return POLL_READY;
}

static struct tally noted;

static void spawn_noter(void *looker)
{
    struct script task = script(&noted, note_when_polled, looker);

    atomic_store(&((struct looker *)looker)->spawned_at, ((struct looker *)looker)->spinner->polls);
    sure(task_spawn(&rt, &task, NULL) == 0);
}

static void spawn_noter_elsewhere(void *looker)
{
    elsewhere(spawn_noter, looker);
}

static void test_a_busy_worker_looks_into_the_injection_queue(void **state)
{
    struct tally spins = {0};
    struct looker looker = {.spinner = &spins};
    struct script spinner = script(&spins, spin_step, NULL);

    (void)state;
    noted = (struct tally){0};
    assert_int_equal(runtime_init(&rt, 1), 0);
    assert_int_equal(task_spawn(&rt, &spinner, NULL), 0);
    wait_until(spins.polls > 100);
    at_point(TRACE_TASK_POLL_END, 0, spawn_noter_elsewhere, &looker);
    wait_until(noted.drops == 1);
    assert_in_range(looker.polled_at - looker.spawned_at, 0, 62);
    runtime_destroy(&rt);
}

static void test_a_busy_worker_looks_into_its_reactor(void **state)
{
    struct tally spins = {0};
    struct script spinner = script(&spins, spin_step, NULL);
    struct sleep sleep = sleep_for(MILLISECONDS(1));

    (void)state;
    assert_int_equal(runtime_init(&rt, 1), 0);
    assert_int_equal(task_spawn(&rt, &spinner, NULL), 0);
    assert_int_equal(runtime_block_on(&rt, &sleep), 0);
    future_drop(&sleep.base);
    runtime_destroy(&rt);
    assert_int_equal(spins.drops, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_a_spawn_at_every_step),
        TEST(test_a_wake_at_every_step),
        TEST(test_a_wake_by_another_worker_at_every_step),
        TEST(test_an_abort_at_every_step),
        TEST(test_a_spawn_wakes_one_worker),
        TEST(test_two_spawns_wake_two_workers),
        TEST(test_a_busy_worker_is_not_called),
        TEST(test_a_worker_that_was_woken_for_a_task_is_not_called),
        TEST(test_nobody_is_called_while_all_are_busy),
        TEST(test_a_called_worker_is_not_called_again),
        TEST(test_a_called_worker_takes_one_task),
        TEST(test_many_wakes_make_one_nudge),
        TEST(test_a_wake_of_a_worker_that_is_awake_makes_no_call),
        TEST(test_a_wake_goes_to_its_worker),
        TEST(test_a_busy_worker_looks_into_the_injection_queue),
        TEST(test_a_busy_worker_looks_into_its_reactor),
    };
    return cmocka_run_group_tests_name("sleep", tests, NULL, NULL);
}
