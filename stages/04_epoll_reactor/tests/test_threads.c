/* LINK: @tests/support.link */
/* Wakes from other threads, while the executor sleeps in epoll or is about to. */
#include "support.h"

#include "timer.h"
#include "wait.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct executor ex;

static struct join_handle spawn_bell(struct bell *bell)
{
    struct join_handle handle;

    bell_init(bell);
    struct script task = script(&bell->tally, bell_step, bell);
    assert_int_equal(task_spawn(&ex, &task, &handle), 0);
    return handle;
}

static void ring_elsewhere(void *bell)
{
    elsewhere(bell_ring, bell);
}

/* --- no wake is lost --- */

/* Between the look that found nothing and the wait; the next moment the thread is in the kernel. */
static void test_a_wake_between_the_look_and_the_wait(void **state)
{
    struct bell bell;

    (void)state;
    assert_int_equal(executor_init(&ex), 0);
    struct join_handle handle = spawn_bell(&bell);
    at_point(TRACE_SYSCALL_BEGIN, TRACE_CALL_EPOLL_WAIT, ring_elsewhere, &bell);
    executor_run(&ex);
    assert_int_equal(bell.tally.polls, 2);
    assert_int_equal(calls_made(CALL_WRITE), 1);
    assert_int_equal(calls_made(CALL_EPOLL_WAIT), 1);
    future_drop(&handle.base);
    executor_destroy(&ex);
}

/* One bell rings when the executor is about to wait, which ends the wait. The other rings at the n-th step of the
 * executor, for every n until it rings after all the first one set off. */
static bool came_too_late;

static void ring_if_not_rung(void *arg)
{
    struct bell *bell = arg;

    if (bell->rung)
        return; /* and if nobody noticed, the test hangs here */
    came_too_late = true;
    elsewhere(bell_ring, bell);
}

static void ring_now_and_the_other_next_time(void *arg)
{
    struct bell *bells = arg;

    elsewhere(bell_ring, &bells[0]);
    at_point(TRACE_SYSCALL_BEGIN, TRACE_CALL_EPOLL_WAIT, ring_if_not_rung, &bells[1]);
}

static void run_with_a_wake_at_step(unsigned n)
{
    struct bell bells[2];

    assert_int_equal(executor_init(&ex), 0);
    struct join_handle first = spawn_bell(&bells[0]), second = spawn_bell(&bells[1]);
    at_point(TRACE_SYSCALL_BEGIN, TRACE_CALL_EPOLL_WAIT, ring_now_and_the_other_next_time, bells);
    at_nth(n, ring_elsewhere, &bells[1]);
    executor_run(&ex);
    assert_true(at_nth_reached() || came_too_late);
    assert_in_range(bells[0].tally.polls, 1, 2);
    assert_in_range(bells[1].tally.polls, 1, 2);
    future_drop(&first.base);
    future_drop(&second.base);
    executor_destroy(&ex);
}

static void test_a_wake_at_every_step(void **state)
{
    unsigned n = 0;

    (void)state;
    for (came_too_late = false; !came_too_late; n++) {
        test_begin(NULL); /* forgets the moments of the last round */
        run_with_a_wake_at_step(n + 1);
        if (test_end(NULL) != 0)
            fail();
    }
    assert_in_range(n, 20, 1000);
    test_begin(NULL);
}

/* --- wakes coalesce --- */

enum { BELLS = 50 };

static void ring_all(void *bells)
{
    for (int i = 0; i < BELLS; i++)
        bell_ring((struct bell *)bells + i);
}

static void ring_all_elsewhere(void *bells)
{
    elsewhere(ring_all, bells);
}

static void test_many_wakes_make_one_nudge(void **state)
{
    static struct bell bells[BELLS];
    struct join_handle handles[BELLS];

    (void)state;
    assert_int_equal(executor_init(&ex), 0);
    for (int i = 0; i < BELLS; i++)
        handles[i] = spawn_bell(&bells[i]);
    at_point(TRACE_SYSCALL_BEGIN, TRACE_CALL_EPOLL_WAIT, ring_all_elsewhere, bells);
    executor_run(&ex);
    assert_int_equal(calls_made(CALL_WRITE), 1);
    for (int i = 0; i < BELLS; i++) {
        assert_int_equal(bells[i].tally.polls, 2);
        future_drop(&handles[i].base);
    }
    executor_destroy(&ex);
}

/* Nobody sleeps: nobody is nudged. */
static void test_a_wake_of_an_executor_that_is_awake_makes_no_call(void **state)
{
    struct bell bell;

    (void)state;
    assert_int_equal(executor_init(&ex), 0);
    struct join_handle handle = spawn_bell(&bell);
    at_point(TRACE_TASK_POLL_END, 0, ring_elsewhere, &bell);
    executor_run(&ex);
    assert_int_equal(bell.tally.polls, 2);
    assert_int_equal(calls_made(CALL_WRITE), 0);
    future_drop(&handle.base);
    executor_destroy(&ex);
}

/* It was asleep once, and was woken by a timer: nobody may still take it for asleep. */
static void test_a_wake_after_a_sleep_makes_no_call(void **state)
{
    struct sleep sleep = sleep_for(1000);
    struct bell bell;

    (void)state;
    clock_hold(1000000);
    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(executor_block_on(&ex, &sleep), 0);
    struct join_handle handle = spawn_bell(&bell);
    at_point(TRACE_TASK_POLL_END, 0, ring_elsewhere, &bell);
    executor_run(&ex);
    assert_int_equal(calls_made(CALL_WRITE), 0);
    future_drop(&sleep.base);
    future_drop(&handle.base);
    executor_destroy(&ex);
}

/* A nudge ends one wait, and not also those after it. */
static void test_a_nudge_does_not_linger(void **state)
{
    struct sleep sleep = sleep_for(1000);
    struct bell bell;

    (void)state;
    clock_hold(1000000);
    assert_int_equal(executor_init(&ex), 0);
    struct join_handle handle = spawn_bell(&bell);
    at_point(TRACE_SYSCALL_BEGIN, TRACE_CALL_EPOLL_WAIT, ring_elsewhere, &bell);
    executor_run(&ex);
    assert_int_equal(executor_block_on(&ex, &sleep), 0);
    assert_int_equal(calls_made(CALL_EPOLL_WAIT), 1);
    assert_int_equal(calls_made(CALL_EPOLL_PWAIT2), 1);
    future_drop(&sleep.base);
    future_drop(&handle.base);
    executor_destroy(&ex);
}

/* A task is woken by the kernel, by its timer and by another thread in one turn, and polled once for all of it. */
static struct {
    struct wire wire;
    struct bell bell;
    struct socket_read read;
    struct sleep sleep;
} three;

static enum poll wait_for_three(struct script *self, struct context *cx)
{
    struct script bell = {.arg = &three.bell};
    char byte;

    if (self->tally->polls == 1) {
        three.read = socket_read(&three.wire.socket, &byte, 1);
        three.sleep = sleep_for(1000);
        assert_int_equal(future_poll(&three.read.base, cx), POLL_PENDING);
        assert_int_equal(future_poll(&three.sleep.base, cx), POLL_PENDING);
        assert_int_equal(bell_step(&bell, cx), POLL_PENDING);
        return POLL_PENDING;
    }
    future_drop(&three.read.base);
    future_drop(&three.sleep.base);
    return POLL_READY;
}

static void all_three(void *unused)
{
    (void)unused;
    peer_send(&three.wire, "x");
    elsewhere(bell_ring, &three.bell);
    clock_hold(trace_now() + 1000);
}

static void test_three_wakes_one_poll(void **state)
{
    struct tally tally = {0};
    struct script task = script(&tally, wait_for_three, NULL);

    (void)state;
    three.wire = wire_local();
    bell_init(&three.bell);
    clock_hold(1000000);
    assert_int_equal(executor_init(&ex), 0);
    at_point(TRACE_SYSCALL_BEGIN, TRACE_CALL_EPOLL_WAIT, all_three, NULL);
    assert_int_equal(executor_block_on(&ex, &task), 0);
    assert_int_equal(tally.polls, 2);
    assert_int_equal(seen(TRACE_WAKE_END), 3);
    future_drop(&task.base);
    wire_close(&three.wire);
    executor_destroy(&ex);
}

/* --- a waker moves, a wake comes late --- */

/* The first task polls a future of both and ends; the second polls it, too. Its event is for the second alone. */
struct handover {
    struct wire wire;
    struct socket_read read;
    struct sleep sleep;
    char byte;
};

static enum poll poll_once(struct script *self, struct context *cx)
{
    struct handover *handover = self->arg;

    assert_int_equal(future_poll(&handover->read.base, cx), POLL_PENDING);
    assert_int_equal(future_poll(&handover->sleep.base, cx), POLL_PENDING);
    return POLL_READY;
}

static enum poll poll_both(struct script *self, struct context *cx)
{
    struct handover *handover = self->arg;
    struct future *read = &handover->read.base, *sleep = &handover->sleep.base;

    if (read->phase != FUTURE_FINISHED)
        future_poll(read, cx);
    if (sleep->phase != FUTURE_FINISHED)
        future_poll(sleep, cx);
    return read->phase == FUTURE_FINISHED && sleep->phase == FUTURE_FINISHED ? POLL_READY : POLL_PENDING;
}

static void send_x(void *wire)
{
    peer_send(wire, "x");
}

static void test_a_future_moves_to_another_task(void **state)
{
    struct handover handover = {.wire = wire_local()};
    struct tally first = {0}, second = {0};
    struct script one = script(&first, poll_once, &handover), other = script(&second, poll_both, &handover);
    struct join_handle handle;

    (void)state;
    handover.read = socket_read(&handover.wire.socket, &handover.byte, 1);
    handover.sleep = sleep_for(1000);
    clock_hold(1000000);
    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(task_spawn(&ex, &one, NULL), 0);
    assert_int_equal(task_spawn(&ex, &other, &handle), 0);
    at_point(TRACE_SYSCALL_BEGIN, TRACE_CALL_EPOLL_WAIT, send_x, &handover.wire);
    executor_run(&ex);
    assert_int_equal(first.polls, 1);
    assert_int_equal(first.drops, 1);
    assert_in_range(second.polls, 2, 3);
    assert_int_equal(handover.read.output, 1);
    future_drop(&handle.base);
    future_drop(&handover.read.base);
    future_drop(&handover.sleep.base);
    wire_close(&handover.wire);
    executor_destroy(&ex);
}

/* A waker that outlives its task, and one that outlives the executor. */
static struct waker kept[2];

static enum poll keep_wakers(struct script *self, struct context *cx)
{
    (void)self;
    kept[0] = waker_clone(cx->waker);
    kept[1] = waker_clone(cx->waker);
    return POLL_READY;
}

static void wake_kept(void *waker)
{
    waker_wake(*(struct waker *)waker);
}

static void test_late_wakes_do_nothing(void **state)
{
    struct tally tally = {0};
    struct bell bell;
    struct script task = script(&tally, keep_wakers, NULL);

    (void)state;
    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(task_spawn(&ex, &task, NULL), 0);
    executor_run(&ex);
    elsewhere(wake_kept, &kept[0]);
    struct join_handle handle = spawn_bell(&bell);
    at_point(TRACE_SYSCALL_BEGIN, TRACE_CALL_EPOLL_WAIT, ring_elsewhere, &bell);
    executor_run(&ex); /* looks everywhere before it sleeps, and would find the task in its queue */
    assert_int_equal(tally.polls, 1);
    assert_int_equal(tally.drops, 1);
    future_drop(&handle.base);
    executor_destroy(&ex);
    memset(&ex, 0xdb, sizeof ex);
    elsewhere(wake_kept, &kept[1]);              /* and gives back the block of the task */
    assert_int_equal(calls_made(CALL_WRITE), 1); /* the bell's */
}

/* --- the end --- */

/* A wake has set the task's mark, and not yet put it in the queue, when the executor is destroyed: it must be waited
 * for. */
static struct waker in_flight;

static enum poll leave_waker(struct script *self, struct context *cx)
{
    (void)self;
    if (!in_flight.vtable)
        in_flight = waker_clone(cx->waker);
    return POLL_PENDING;
}

static void *wake_slowly(void *unused)
{
    (void)unused;
    gate_next_lock();
    waker_wake(in_flight);
    return NULL;
}

static void test_destroyed_with_a_wake_in_flight(void **state)
{
    struct tally tally = {0};
    struct script task = script(&tally, leave_waker, NULL);
    struct sleep yields = sleep_for(0);
    pthread_t thread;

    (void)state;
    in_flight = (struct waker){0};
    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(task_spawn(&ex, &task, NULL), 0);
    assert_int_equal(executor_block_on(&ex, &yields), 0);
    assert_int_equal(pthread_create(&thread, NULL, wake_slowly, NULL), 0);
    gate_wait();
    at_point(TRACE_SYSCALL_BEGIN, TRACE_CALL_EPOLL_WAIT, gate_open, NULL);
    executor_destroy(&ex);
    memset(&ex, 0xdb, sizeof ex);
    pthread_join(thread, NULL);
    assert_int_equal(tally.polls, 1);
    assert_int_equal(tally.drops, 1);
    future_drop(&yields.base);
}

/* The waker has queued the task and is about to nudge. Meanwhile the executor wakes up by itself, runs the task, and is
 * destroyed if nobody holds it: then the nudge would go into a descriptor that is closed. */
static struct {
    pthread_t thread;
    atomic_bool at_nudge, destroyed;
} nudging;

static enum poll leave_waker_once(struct script *self, struct context *cx)
{
    if (self->tally->polls > 1)
        return POLL_READY;
    in_flight = waker_clone(cx->waker);
    return POLL_PENDING;
}

static void *wake_in_flight(void *unused)
{
    (void)unused;
    waker_wake(in_flight);
    return NULL;
}

static void stand_before_the_nudge(void *unused)
{
    (void)unused;
    atomic_store(&nudging.at_nudge, true);
    while (!atomic_load(&nudging.destroyed) && !somebody_waits_for_a_lock())
        sched_yield();
}

static void begin_to_wake(void *unused)
{
    (void)unused;
    assert_int_equal(pthread_create(&nudging.thread, NULL, wake_in_flight, NULL), 0);
    while (!atomic_load(&nudging.at_nudge))
        sched_yield();
}

static void test_destroyed_while_somebody_nudges(void **state)
{
    struct tally tally = {0};
    struct script task = script(&tally, leave_waker_once, NULL);
    struct sleep sleep = sleep_for(1000);

    (void)state;
    atomic_store(&nudging.at_nudge, false);
    atomic_store(&nudging.destroyed, false);
    clock_hold(1000000); /* so the wait ends at once, by the timer */
    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(task_spawn(&ex, &sleep, NULL), 0);
    at_point(TRACE_SYSCALL_BEGIN, TRACE_CALL_EPOLL_WAIT, begin_to_wake, NULL);
    at_point(TRACE_UNPARK, 0, stand_before_the_nudge, NULL);
    assert_int_equal(executor_block_on(&ex, &task), 0);
    executor_destroy(&ex);
    atomic_store(&nudging.destroyed, true);
    pthread_join(nudging.thread, NULL);
    future_drop(&task.base);
}

static void abort_handle(void *handle)
{
    join_handle_abort((struct join_handle *)handle);
}

static void abort_elsewhere(void *handle)
{
    elsewhere(abort_handle, handle);
}

static void test_aborted_by_another_thread_while_asleep(void **state)
{
    struct wire wire = wire_local();
    struct join_handle handle;
    char byte;
    struct socket_read read = socket_read(&wire.socket, &byte, 1);

    (void)state;
    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(task_spawn(&ex, &read, &handle), 0);
    at_point(TRACE_SYSCALL_BEGIN, TRACE_CALL_EPOLL_WAIT, abort_elsewhere, &handle);
    executor_run(&ex);
    assert_int_equal(executor_block_on(&ex, &handle), 0);
    assert_null(join_handle_output(&handle));
    assert_null(wire.socket.source.waiting[SOURCE_READ].waker.vtable);
    future_drop(&handle.base);
    wire_close(&wire);
    executor_destroy(&ex);
}

/* --- many threads --- */

/* Work that comes from THREADS threads: each piece is counted, and followed by a wake. The task takes what is there. */
enum { THREADS = 4, PIECES = 3000, WORKERS = 3 };

struct inbox {
    pthread_mutex_t lock;
    struct waker waiting;
    int waiting_work, done;
    struct tally tally;
};

static struct inbox inboxes[WORKERS];
static atomic_int wakes;

static void inbox_put(struct inbox *inbox)
{
    struct waker waker;

    pthread_mutex_lock(&inbox->lock);
    inbox->waiting_work++;
    waker = inbox->waiting;
    inbox->waiting = (struct waker){0};
    pthread_mutex_unlock(&inbox->lock);
    if (!waker.vtable)
        return; /* whoever took it wakes, or the task is being polled and will look */
    atomic_fetch_add(&wakes, 1);
    waker_wake(waker);
}

static enum poll inbox_step(struct script *self, struct context *cx)
{
    struct inbox *inbox = self->arg;
    struct waker old;

    pthread_mutex_lock(&inbox->lock);
    inbox->done += inbox->waiting_work;
    inbox->waiting_work = 0;
    old = inbox->waiting;
    bool over = inbox->done == THREADS * PIECES;
    inbox->waiting = over ? (struct waker){0} : waker_clone(cx->waker);
    pthread_mutex_unlock(&inbox->lock);
    if (old.vtable)
        waker_drop(old);
    return over ? POLL_READY : POLL_PENDING;
}

static void *put_work(void *unused)
{
    (void)unused;
    for (int i = 0; i < WORKERS * PIECES; i++) {
        inbox_put(&inboxes[i % WORKERS]);
        if (i % 97 == 0)
            sched_yield();
    }
    return NULL;
}

static void test_many_threads_wake(void **state)
{
    pthread_t threads[THREADS];
    int polls = 0;

    (void)state;
    atomic_store(&wakes, 0);
    assert_int_equal(executor_init(&ex), 0);
    for (int i = 0; i < WORKERS; i++) {
        inboxes[i] = (struct inbox){.lock = PTHREAD_MUTEX_INITIALIZER};
        struct script task = script(&inboxes[i].tally, inbox_step, &inboxes[i]);
        assert_int_equal(task_spawn(&ex, &task, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_work, NULL), 0);
    executor_run(&ex);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(inboxes[i].done, THREADS * PIECES);
        assert_int_equal(inboxes[i].tally.drops, 1);
        polls += inboxes[i].tally.polls;
    }
    assert_in_range(polls, WORKERS, wakes + WORKERS); /* no poll without a wake */
    assert_in_range(calls_made(CALL_WRITE), 0, wakes);
    executor_destroy(&ex);
}

/* Two executors on two threads, which wake each other's tasks by turns. */
enum { ROUNDS = 500 };

struct player {
    pthread_mutex_t lock;
    struct waker waiting;
    int balls, played;
    struct player *other;
    struct tally tally;
};

static void player_throw(struct player *to)
{
    struct waker waker;

    pthread_mutex_lock(&to->lock);
    to->balls++;
    waker = to->waiting;
    to->waiting = (struct waker){0};
    pthread_mutex_unlock(&to->lock);
    if (waker.vtable)
        waker_wake(waker);
}

static enum poll player_step(struct script *self, struct context *cx)
{
    struct player *player = self->arg;

    while (player->played < ROUNDS) {
        pthread_mutex_lock(&player->lock);
        bool has_ball = player->balls > 0;
        player->balls -= has_ball;
        if (!has_ball && !player->waiting.vtable)
            player->waiting = waker_clone(cx->waker);
        pthread_mutex_unlock(&player->lock);
        if (!has_ball)
            return POLL_PENDING;
        player->played++;
        player_throw(player->other);
    }
    return POLL_READY;
}

static void *play(void *arg)
{
    struct player *player = arg;
    struct executor own;
    struct script task = script(&player->tally, player_step, player);

    if (executor_init(&own) != 0)
        abort();
    executor_block_on(&own, &task);
    future_drop(&task.base);
    executor_destroy(&own);
    return NULL;
}

static void test_two_executors(void **state)
{
    struct player players[2] = {{.lock = PTHREAD_MUTEX_INITIALIZER, .other = &players[1]},
                                {.lock = PTHREAD_MUTEX_INITIALIZER, .other = &players[0], .balls = 1}};
    pthread_t threads[2];

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, play, &players[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(players[i].played, ROUNDS);
        assert_int_equal(players[i].tally.drops, 1);
        assert_in_range(players[i].tally.polls, 1, ROUNDS + 1);
        assert_null(players[i].waiting.vtable);
    }
}

/* Sockets, timers and threads at once; the executor is destroyed while all of them go on. */
struct busy {
    struct bell *bells;
    atomic_bool stop;
};

static void *ring_for_a_while(void *arg)
{
    struct busy *busy = arg;

    for (int i = 0; !atomic_load(&busy->stop); i++)
        bell_ring(&busy->bells[i % BELLS]);
    return NULL;
}

static enum poll bell_for_ever(struct script *self, struct context *cx)
{
    struct bell *bell = self->arg;

    pthread_mutex_lock(&bell->lock);
    wait_start(&bell->waiting, cx, TRACE_SOURCE_OTHER, 0, SITE(""));
    pthread_mutex_unlock(&bell->lock);
    return POLL_PENDING;
}

static void test_destroyed_while_threads_go_on_waking(void **state)
{
    static struct bell bells[BELLS];
    struct busy busy = {.bells = bells};
    pthread_t threads[2];

    (void)state;
    for (int round = 0; round < 20; round++) {
        struct sleep sleep = sleep_for(100000 * (uint64_t)(round % 3));
        atomic_store(&busy.stop, false);
        assert_int_equal(executor_init(&ex), 0);
        for (int i = 0; i < BELLS; i++) {
            bell_init(&bells[i]);
            struct script task = script(&bells[i].tally, bell_for_ever, &bells[i]);
            assert_int_equal(task_spawn(&ex, &task, NULL), 0);
        }
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, ring_for_a_while, &busy), 0);
        assert_int_equal(executor_block_on(&ex, &sleep), 0);
        future_drop(&sleep.base);
        executor_destroy(&ex);
        atomic_store(&busy.stop, true);
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < BELLS; i++) {
            assert_int_equal(bells[i].tally.drops, 1);
            wait_cancel(&bells[i].waiting, TRACE_SOURCE_OTHER, 0, SITE(""));
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_a_wake_between_the_look_and_the_wait),
        TEST(test_a_wake_at_every_step),
        TEST(test_many_wakes_make_one_nudge),
        TEST(test_a_wake_of_an_executor_that_is_awake_makes_no_call),
        TEST(test_a_wake_after_a_sleep_makes_no_call),
        TEST(test_a_nudge_does_not_linger),
        TEST(test_three_wakes_one_poll),
        TEST(test_a_future_moves_to_another_task),
        TEST(test_late_wakes_do_nothing),
        TEST(test_destroyed_with_a_wake_in_flight),
        TEST(test_destroyed_while_somebody_nudges),
        TEST(test_aborted_by_another_thread_while_asleep),
        TEST(test_many_threads_wake),
        TEST(test_two_executors),
        TEST(test_destroyed_while_threads_go_on_waking),
    };
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
