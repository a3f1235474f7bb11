/* LINK: @tests/support.link -Wl,--wrap=idle_sleep,--wrap=idle_found */
/* Few workers are woken, and nothing is left lying: the word that says who is idle, alone; and then, with real workers,
 * the two promises, each with work that comes up at the worst of all moments. */
#include "support.h"

#include <pthread.h>

static struct runtime rt;

/* --- the word --- */

static struct idle word;

static void word_is(unsigned sleeping, unsigned searching, bool called)
{
    assert_int_equal(atomic_load(&word.word),
                     sleeping * IDLE_SLEEPING + searching * IDLE_SEARCHING + (called ? IDLE_CALLED : 0));
}

static void test_a_call_needs_a_sleeper_and_no_searcher(void **state)
{
    (void)state;
    idle_init(&word);
    assert_false(idle_seems_callable(&word));
    assert_false(idle_call(&word)); /* nobody sleeps */
    idle_sleep(&word, false);
    assert_true(idle_search(&word, 1)); /* another worker */
    assert_false(idle_seems_callable(&word));
    assert_false(idle_call(&word)); /* somebody searches */
    idle_found(&word);
    assert_true(idle_seems_callable(&word));
    assert_true(idle_call(&word));
    word_is(1, 1, true);
}

static void test_one_call_at_a_time(void **state)
{
    (void)state;
    idle_init(&word);
    for (int i = 0; i < 3; i++)
        idle_sleep(&word, false);
    assert_true(idle_call(&word));
    assert_false(idle_call(&word));
    assert_true(idle_wake(&word)); /* whoever it is searches now */
    word_is(2, 1, false);
    assert_false(idle_call(&word));
    idle_found(&word);
    assert_true(idle_call(&word));
    word_is(2, 1, true);
}

/* The first who wakes answers the call, be it that an event has woken him; the one that was nudged finds no call. */
static void test_any_sleeper_answers(void **state)
{
    (void)state;
    idle_init(&word);
    idle_sleep(&word, false);
    idle_sleep(&word, false);
    assert_true(idle_call(&word));
    assert_true(idle_wake(&word));
    assert_false(idle_wake(&word));
    word_is(0, 1, false);
}

static void test_no_more_than_the_limit_search(void **state)
{
    (void)state;
    idle_init(&word);
    assert_true(idle_search(&word, 2));
    assert_true(idle_search(&word, 2));
    assert_false(idle_search(&word, 2));
    idle_sleep(&word, true); /* it has found nothing */
    word_is(1, 1, false);
    assert_true(idle_search(&word, 2));
    idle_found(&word);
    idle_found(&word);
    word_is(1, 0, false);
}

/* --- the two promises --- */

void __real_idle_sleep(struct idle *idle, bool searches);
void __wrap_idle_sleep(struct idle *idle, bool searches);
void __real_idle_found(struct idle *idle);
void __wrap_idle_found(struct idle *idle);

/* Done once, by whoever comes there next. */
static _Atomic(action *) before_sleep, before_found;

static void do_once(_Atomic(action *) *act)
{
    action *todo = atomic_exchange(act, NULL);
    if (todo)
        todo(NULL);
}

void __wrap_idle_sleep(struct idle *idle, bool searches)
{
    do_once(&before_sleep);
    __real_idle_sleep(idle, searches);
}

void __wrap_idle_found(struct idle *idle)
{
    do_once(&before_found);
    __real_idle_found(idle);
}

static struct strings busy; /* a worker that is busy all the time */
static struct tally tally;

/* On the busy worker. The last one stays in its `lifo`, the others can be stolen. */
static void spawn_two(void *unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        struct script task = script(&tally, ready_step, NULL);
        sure(task_spawn(&rt, &task, NULL) == 0);
    }
}

static void make_work(void *unused)
{
    (void)unused;
    puppet_do(&busy, spawn_two, NULL);
}

static void busy_begin(unsigned workers)
{
    tally = (struct tally){0};
    assert_int_equal(runtime_init(&rt, workers), 0);
    puppet_spawn(&rt, &busy, NULL);
    wait_until(workers_asleep(&rt) == workers - 1);
}

static void do_nothing(void *unused)
{
    (void)unused;
}

static void busy_end(int drops)
{
    puppet_end(&busy);
    wait_until(tally.drops == drops);
    runtime_destroy(&rt);
}

/* It has looked everywhere, and has not yet said that it sleeps: nobody calls it. */
static void test_work_comes_up_before_a_worker_says_that_it_sleeps(void **state)
{
    (void)state;
    busy_begin(2);
    atomic_store(&before_sleep, make_work);
    inside(&rt, do_nothing, NULL); /* wakes the other one, which then goes to sleep again */
    wait_until(tally.drops == 1);  /* or else it sleeps beside a task that it could steal */
    busy_end(2);
}

/* Its work needs two workers beside the busy one. */
static atomic_int together;

static enum poll together_step(struct script *self, struct context *cx)
{
    (void)self, (void)cx;
    atomic_fetch_add(&together, 1);
    wait_until(atomic_load(&together) >= 2);
    return POLL_READY;
}

static void spawn_together(void *unused)
{
    struct script task = script(&tally, together_step, NULL);

    (void)unused;
    sure(task_spawn(&rt, &task, NULL) == 0);
}

static atomic_bool has_found, there_is_more;

static void wait_for_more(void *unused)
{
    (void)unused;
    atomic_store(&has_found, true);
    wait_until(atomic_load(&there_is_more));
}

/* The last one stays in `lifo`, so the first can be stolen at once, and the second when the third is there. */
static void spawn_two_and_one_more(void *unused)
{
    spawn_together(unused);
    spawn_together(unused);
    wait_until(atomic_load(&has_found));
    spawn_together(unused);
    atomic_store(&there_is_more, true);
}

/* The only one who searches has found a task. Before it says so there is a second one, for which nobody was called, as
 * it was searching. */
static void test_work_comes_up_before_a_searcher_says_that_it_has_found(void **state)
{
    (void)state;
    busy_begin(3);
    atomic_store(&together, 0);
    atomic_store(&before_found, wait_for_more);
    puppet_do(&busy, spawn_two_and_one_more, NULL);
    wait_until(tally.drops == 2); /* or else the first one waits for ever */
    busy_end(3);
}

/* A worker wakes for a batch of tasks from outside: it takes its share, and calls the next for the rest. */
static void test_one_wakes_the_next(void **state)
{
    (void)state;
    assert_int_equal(runtime_init(&rt, 4), 0);
    wait_until(workers_asleep(&rt) == 4);
    tally = (struct tally){0};
    atomic_store(&together, -2); /* four must run at once */
    for (int i = 0; i < 4; i++)
        spawn_together(NULL);
    wait_until(tally.drops == 4);
    runtime_destroy(&rt);
}

/* --- who gives way, too, makes work for others --- */

static struct {
    atomic_uint worker[2]; /* where each was polled last */
    atomic_bool apart;
} pair;

static enum poll pair_step(struct script *self, struct context *cx);

static void spawn_partner(unsigned number)
{
    struct script task = script(&tally, pair_step, &pair.worker[number]);
    sure(task_spawn(&rt, &task, NULL) == 0);
}

static enum poll pair_step(struct script *self, struct context *cx)
{
    unsigned me = self->arg == &pair.worker[1];

    if (me == 0 && self->base.phase == FUTURE_FRESH)
        spawn_partner(1);
    atomic_store(&pair.worker[me], runtime_worker());
    unsigned other = atomic_load(&pair.worker[!me]);
    if (other != 0 && other != runtime_worker())
        atomic_store(&pair.apart, true);
    if (atomic_load(&pair.apart))
        return POLL_READY;
    waker_wake_by_ref(cx->waker);
    return POLL_PENDING;
}

/* Two tasks that always give way, on one worker, while another sleeps: one of them goes there. */
static void test_two_that_give_way_share_two_workers(void **state)
{

    (void)state;
    tally = (struct tally){0};
    for (int i = 0; i < 20; i++) {
        atomic_store(&pair.worker[0], 0);
        atomic_store(&pair.worker[1], 0);
        atomic_store(&pair.apart, false);
        assert_int_equal(runtime_init(&rt, 2), 0);
        wait_until(workers_asleep(&rt) == 2);
        spawn_partner(0);
        wait_until(tally.drops == 2 * (i + 1));
        runtime_destroy(&rt);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_a_call_needs_a_sleeper_and_no_searcher),
        TEST(test_one_call_at_a_time),
        TEST(test_any_sleeper_answers),
        TEST(test_no_more_than_the_limit_search),
        TEST(test_work_comes_up_before_a_worker_says_that_it_sleeps),
        TEST(test_work_comes_up_before_a_searcher_says_that_it_has_found),
        TEST(test_one_wakes_the_next),
        TEST(test_two_that_give_way_share_two_workers),
    };
    return cmocka_run_group_tests_name("idle", tests, NULL, NULL);
}
