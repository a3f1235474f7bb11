/* LINK: @tests/support.link */
/* Nobody is kept from its turn, whatever the others do; nothing is lost when a ring is full; and what the counters say is
 * what happened. All with one worker where it can be, so that nobody helps. */
#define _GNU_SOURCE
#include "support.h"

#include "net.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static struct runtime rt;

static uint64_t polls_of(unsigned worker)
{
    return runtime_count(&rt, worker).polls;
}

/* --- a task that wants one turn after the other, and notes how long it had to wait --- */

enum { TURNS = 100 };

static struct {
    struct tally tally;
    uint64_t before, longest; /* polls of others */
} third;

static enum poll third_step(struct script *self, struct context *cx)
{
    uint64_t polls = polls_of(1);

    (void)self;
    if (third.tally.polls > 1 && polls - third.before - 1 > third.longest)
        third.longest = polls - third.before - 1;
    third.before = polls;
    if (third.tally.polls == TURNS)
        return POLL_READY;
    waker_wake_by_ref(cx->waker);
    return POLL_PENDING;
}

static uint64_t longest_wait(void)
{
    struct script task = script(&third.tally, third_step, NULL);

    third.tally = (struct tally){0};
    third.before = third.longest = 0;
    assert_int_equal(runtime_block_on(&rt, &task), 0);
    future_drop(&task.base);
    return third.longest;
}

/* --- its company --- */

static struct {
    struct tally tally;
    struct waker places[2];
} players;

static enum poll player_step(struct script *self, struct context *cx)
{
    struct waker *mine = self->arg, *other = mine == players.places ? mine + 1 : players.places, waker = *other;

    if (!mine->vtable)
        *mine = waker_clone(cx->waker);
    *other = (struct waker){0};
    if (waker.vtable)
        waker_wake(waker);
    return POLL_PENDING;
}

static void drop_places(void)
{
    for (int i = 0; i < 2; i++)
        if (players.places[i].vtable)
            waker_drop(players.places[i]);
    players.places[0] = players.places[1] = (struct waker){0};
}

/* They wake each other for ever, and would do so in `lifo`. */
static void test_beside_two_that_wake_each_other(void **state)
{
    (void)state;
    assert_int_equal(runtime_init(&rt, 1), 0);
    for (int i = 0; i < 2; i++) {
        struct script player = script(&players.tally, player_step, &players.places[i]);
        assert_int_equal(task_spawn(&rt, &player, NULL), 0);
    }
    wait_until(players.tally.polls > 100);
    assert_in_range(longest_wait(), 2, 4);
    runtime_destroy(&rt);
    drop_places();
}

static void test_beside_a_crowd_that_gives_way(void **state)
{
    struct tally crowd = {0};

    (void)state;
    assert_int_equal(runtime_init(&rt, 1), 0);
    for (int i = 0; i < 1000; i++) {
        struct script task = script(&crowd, spin_step, NULL);
        assert_int_equal(task_spawn(&rt, &task, NULL), 0);
    }
    wait_until(crowd.polls > 5000);
    assert_in_range(longest_wait(), 256,
                    61 * 1300); /* one that was in the ring as it overflowed comes late, but comes */
    runtime_destroy(&rt);
    assert_int_equal(crowd.drops, 1000);
}

/* --- the budget --- */

static struct {
    struct socket ends[2];
    struct tally tally;
    atomic_int in_a_poll, most; /* calls that were ready at once */
} greedy;

/* Each byte that it reads it writes again, so there is always one. */
static enum poll greedy_step(struct script *self, struct context *cx)
{
    char byte;

    (void)self;
    atomic_store(&greedy.in_a_poll, 0);
    for (;;) {
        struct socket_read read = socket_read(&greedy.ends[0], &byte, 1);
        enum poll result = future_poll(&read.base, cx);
        future_drop(&read.base);
        if (atomic_load(&greedy.in_a_poll) > atomic_load(&greedy.most))
            atomic_store(&greedy.most, atomic_load(&greedy.in_a_poll));
        if (result == POLL_PENDING)
            return POLL_PENDING;
        atomic_fetch_add(&greedy.in_a_poll, 1);
        sure(send(source_fd(&greedy.ends[1].source), &byte, 1, 0) == 1);
    }
}

static void test_beside_one_that_can_always_read(void **state)
{
    int fds[2];
    struct script task = script(&greedy.tally, greedy_step, NULL);

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    for (int i = 0; i < 2; i++)
        greedy.ends[i] = socket_from_fd(fds[i]);
    assert_int_equal(send(fds[1], "x", 1, 0), 1);
    assert_int_equal(runtime_init(&rt, 1), 0);
    assert_int_equal(task_spawn(&rt, &task, NULL), 0);
    assert_in_range(longest_wait(), 0, 1);
    runtime_destroy(&rt);
    assert_int_equal(greedy.most, BUDGET_PER_POLL);
    for (int i = 0; i < 2; i++)
        socket_close(&greedy.ends[i]);
}

/* A task that has waited has a whole budget again; and a future that is polled by hand, outside of a task, has no end. */
static void test_the_budget_is_for_one_poll(void **state)
{
    char byte;
    int fds[2];
    struct probe probe = {0};

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    struct socket socket = socket_from_fd(fds[0]);
    for (int i = 0; i < 3 * BUDGET_PER_POLL; i++) {
        assert_int_equal(send(fds[1], "x", 1, 0), 1);
        struct socket_read read = socket_read(&socket, &byte, 1);
        assert_int_equal(poll_with(&read, &probe), POLL_READY);
        future_drop(&read.base);
    }
    assert_int_equal(probe.wakes, 0);
    socket_close(&socket);
    close(fds[1]);
}

/* --- a full ring --- */

enum { MANY = 3 * RING_CAPACITY + 7 };

static struct tally children;

static void spawn_children(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < MANY; i++) {
        struct script child = script(&children, ready_step, NULL);
        sure(task_spawn(&rt, &child, NULL) == 0);
    }
}

/* Keeps its worker from doing anything else. */
static struct tally holders;
static atomic_bool is_let_go;

static enum poll hold_step(struct script *self, struct context *cx)
{
    (void)self;
    (void)cx;
    wait_until(atomic_load(&is_let_go));
    return POLL_READY;
}

static void hold_all_but_one(int workers)
{
    holders = (struct tally){0};
    atomic_store(&is_let_go, false);
    for (int i = 1; i < workers; i++) {
        struct script holder = script(&holders, hold_step, NULL);
        assert_int_equal(task_spawn(&rt, &holder, NULL), 0);
    }
    wait_until(holders.polls == workers - 1);
}

static uint64_t count_overflows(unsigned workers)
{
    uint64_t overflows = 0;

    for (unsigned i = 1; i <= workers; i++)
        overflows += runtime_count(&rt, i).overflows;
    return overflows;
}

/* No thief comes meanwhile: one that copies half of the ring leaves no room for any task, for as long as it likes. */
static void test_a_ring_that_overflows(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        children = (struct tally){0};
        assert_int_equal(runtime_init(&rt, workers), 0);
        hold_all_but_one((int)workers);
        inside(&rt, spawn_children, NULL);
        wait_until(children.drops == MANY);
        assert_int_equal(children.polls, MANY);
        assert_in_range(count_overflows(workers), 4, 8);
        atomic_store(&is_let_go, true);
        runtime_destroy(&rt);
    }
}

static void test_a_ring_that_overflows_beside_thieves(void **state)
{
    (void)state;
    for (unsigned workers = 2; workers <= 3; workers++) {
        children = (struct tally){0};
        assert_int_equal(runtime_init(&rt, workers), 0);
        inside(&rt, spawn_children, NULL);
        wait_until(children.drops == MANY);
        assert_int_equal(children.polls, MANY);
        runtime_destroy(&rt);
    }
}

/* --- the counters --- */

static void test_counters_of_polls_and_parks(void **state)
{
    struct tally tally = {0};

    (void)state;
    assert_int_equal(runtime_init(&rt, 1), 0);
    wait_until(workers_asleep(&rt) == 1);
    struct runtime_counters before = runtime_count(&rt, 1);
    assert_int_equal(before.polls, 0);
    assert_int_equal(before.parks, 1);
    for (int i = 1; i <= 10; i++) {
        struct script task = script(&tally, ready_step, NULL);
        assert_int_equal(task_spawn(&rt, &task, NULL), 0);
        wait_until(tally.drops == i && workers_asleep(&rt) == 1);
    }
    struct runtime_counters after = runtime_count(&rt, 1);
    assert_int_equal(after.polls, 10);
    assert_int_equal(after.parks, 11);
    assert_int_equal(after.steals, 0);
    assert_int_equal(after.wakes, 0); /* it was main that called */
    assert_int_equal(after.overflows, 0);
    runtime_destroy(&rt);
}

static void spawn_three(void *unused)
{
    (void)unused;
    for (int i = 0; i < 3; i++) {
        struct script child = script(&children, ready_step, NULL);
        sure(task_spawn(&rt, &child, NULL) == 0);
    }
}

/* The busy one spawns three: the last stays in its lifo, the others are stolen, and it calls once. */
static void test_counters_of_steals_and_calls(void **state)
{
    struct strings *busy;

    (void)state;
    children = (struct tally){0};
    assert_int_equal(runtime_init(&rt, 2), 0);
    busy = puppet_spawn_on(&rt, 1);
    wait_until(workers_asleep(&rt) == 1);
    struct runtime_counters thief = runtime_count(&rt, 2), owner = runtime_count(&rt, 1);
    puppet_do(busy, spawn_three, NULL);
    wait_until(children.drops == 2 && workers_asleep(&rt) == 1);
    assert_int_equal(runtime_count(&rt, 2).steals - thief.steals, 2);
    assert_in_range(runtime_count(&rt, 1).wakes - owner.wakes, 1, 2);
    assert_int_equal(runtime_count(&rt, 1).steals, owner.steals);
    puppet_end(busy);
    wait_until(children.drops == 3);
    runtime_destroy(&rt);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_beside_two_that_wake_each_other), TEST(test_beside_a_crowd_that_gives_way),
        TEST(test_beside_one_that_can_always_read), TEST(test_the_budget_is_for_one_poll),
        TEST(test_a_ring_that_overflows),           TEST(test_a_ring_that_overflows_beside_thieves),
        TEST(test_counters_of_polls_and_parks),     TEST(test_counters_of_steals_and_calls),
    };
    return cmocka_run_group_tests_name("fairness", tests, NULL, NULL);
}
