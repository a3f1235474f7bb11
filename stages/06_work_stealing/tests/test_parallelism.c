/* LINK: @tests/support.link */
/* Work that others could do does not wait behind a busy worker while somebody sleeps. */
#include "support.h"

static struct runtime rt;

/* --- what comes out of lifo, when its turns are over --- */

enum { SPAWNED = 40, TURNS = 3 /* LIFO_LIMIT */ };

static struct strings *other;
static struct tally many;
static atomic_uint links, polled_on;

/* Spawns the next of the chain, each of which runs out of lifo; for the last one that has had its turns. */
static enum poll chain_step(struct script *self, struct context *cx)
{
    (void)cx;
    polled_on = runtime_worker();
    if (links++ < TURNS) {
        struct script next = script(self->tally, chain_step, NULL);
        sure(task_spawn(&rt, &next, NULL) == 0);
    }
    return POLL_READY;
}

/* Lets the other worker go, which runs all that lies in the ring, and goes to sleep. */
static enum poll begin_chain(struct script *self, struct context *cx)
{
    static struct tally chain;

    puppet_end(other);
    wait_until(many.polls == SPAWNED - 1 && workers_asleep(&rt) == 1);
    struct script first = script(&chain, chain_step, NULL);
    sure(task_spawn(&rt, &first, NULL) == 0);
    return ready_step(self, cx);
}

/* Lies in the hand, and comes after the chain's turns: it is long, and ends when the last of the chain was run. */
static enum poll long_step(struct script *self, struct context *cx)
{
    sure(links >= TURNS);
    wait_until(links == TURNS + 1);
    return ready_step(self, cx);
}

static enum poll spawn_many(struct script *self, struct context *cx)
{
    (void)self;
    (void)cx;
    for (int i = 0; i < SPAWNED; i++) {
        struct script task = script(&many, i == 0 ? begin_chain : i == 1 ? long_step : ready_step, NULL);
        sure(task_spawn(&rt, &task, NULL) == 0);
    }
    return POLL_READY;
}

static void test_the_last_of_a_streak_is_offered(void **state)
{
    struct tally tally = {0};
    struct script spawner = script(&tally, spawn_many, NULL);

    (void)state;
    many = (struct tally){0};
    assert_int_equal(runtime_init(&rt, 2), 0);
    other = puppet_spawn_on(&rt, 2);
    assert_int_equal(task_spawn(&rt, &spawner, NULL), 0);
    wait_until(many.drops == SPAWNED);
    assert_int_equal(polled_on, 2);
    runtime_destroy(&rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_last_of_a_streak_is_offered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
