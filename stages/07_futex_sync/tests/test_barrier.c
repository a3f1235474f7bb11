/* LINK: -Wl,--wrap=syscall */
/* The barrier. What POSIX says of pthread_barrier_wait is asked of ours and of the C library's; the rest is about how
 * ours is made. */
#include "support_sync.h"

#include "barrier.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* --- two implementations --- */

/* The one that a test is about, for its threads. */
static union {
    struct barrier ours;
    pthread_barrier_t posix;
} barrier;

struct kind {
    int (*init)(unsigned threads); /* 0 or -errno */
    bool (*wait)(void);
};

static int ours_init(unsigned threads)
{
    return barrier_init(&barrier.ours, threads);
}

static bool ours_wait(void)
{
    return barrier_wait(&barrier.ours);
}

static int posix_init(unsigned threads)
{
    return -pthread_barrier_init(&barrier.posix, NULL, threads);
}

static bool posix_wait(void)
{
    int result = pthread_barrier_wait(&barrier.posix);
    assert_true(result == 0 || result == PTHREAD_BARRIER_SERIAL_THREAD);
    return result == PTHREAD_BARRIER_SERIAL_THREAD;
}

static struct kind ours = {ours_init, ours_wait};
static struct kind posix = {posix_init, posix_wait};

static const struct kind *kind;
static atomic_int chosen, gone_on;

static void begin(void **state, unsigned threads)
{
    kind = *state;
    memset(&barrier, 0xdb, sizeof barrier);
    assert_int_equal(kind->init(threads), 0);
    atomic_store(&chosen, 0);
    atomic_store(&gone_on, 0);
}

static void come_once(void *unused)
{
    (void)unused;
    if (kind->wait())
        atomic_fetch_add(&chosen, 1);
    atomic_fetch_add(&gone_on, 1);
}

/* --- what POSIX says --- */

/* "The calling thread shall block until the required number of threads have called pthread_barrier_wait()"; "the
 * constant PTHREAD_BARRIER_SERIAL_THREAD shall be returned to one unspecified thread and zero to each of the
 * remaining." */
static void test_nobody_goes_on_before_all_have_come(void **state)
{
    struct worker workers[4];

    begin(state, 4);
    for (int i = 0; i < 3; i++)
        worker_start(&workers[i], come_once, NULL);
    for (int i = 0; i < 3; i++)
        worker_wait_asleep(&workers[i]);
    assert_int_equal(atomic_load(&gone_on), 0);
    worker_start(&workers[3], come_once, NULL);
    for (int i = 0; i < 4; i++)
        worker_join(&workers[i]);
    assert_int_equal(atomic_load(&gone_on), 4);
    assert_int_equal(atomic_load(&chosen), 1);
}

static void test_a_barrier_for_one_lets_it_through(void **state)
{
    begin(state, 1);
    for (int i = 0; i < 5; i++)
        assert_true(kind->wait());
}

/* init: "[EINVAL] The value specified by count is equal to zero." */
static void test_a_barrier_for_nobody_is_refused(void **state)
{
    kind = *state;
    assert_int_equal(kind->init(0), -EINVAL);
}

/* More threads may come than make a round: those left over wait for the next. */
static void test_who_is_one_too_many_waits_for_the_next_round(void **state)
{
    struct worker workers[6];

    begin(state, 3);
    for (int i = 0; i < 5; i++)
        worker_start(&workers[i], come_once, NULL);
    wait_for(&gone_on, 3);
    assert_int_equal(atomic_load(&chosen), 1);
    worker_start(&workers[5], come_once, NULL);
    for (int i = 0; i < 6; i++)
        worker_join(&workers[i]);
    assert_int_equal(atomic_load(&chosen), 2);
}

/* "When the required number of threads have called, ... the barrier shall be reset to the state it had": many rounds,
 * in which nobody may be a round ahead, and what all wrote before can be read after. */
enum { THREADS = 4, ROUNDS = 1000 };

static int written[THREADS]; /* the round that each is in */

struct comer {
    int index;
    unsigned seed;
};

static void come_often(void *arg)
{
    struct comer *self = arg;

    for (int round = 1; round <= ROUNDS; round++) {
        if (rand_r(&self->seed) % 16 == 0)
            sched_yield();
        written[self->index] = round;
        if (kind->wait())
            atomic_fetch_add_explicit(&chosen, 1, memory_order_relaxed);
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(written[i], round);
        kind->wait(); /* nobody writes the next round while others read */
    }
}

static void test_many_rounds(void **state)
{
    struct worker workers[THREADS];
    struct comer comers[THREADS];
    unsigned seed = sync_seed();

    begin(state, THREADS);
    for (int i = 0; i < THREADS; i++) {
        comers[i] = (struct comer){i, seed + (unsigned)i};
        worker_start(&workers[i], come_often, &comers[i]);
    }
    for (int i = 0; i < THREADS; i++)
        worker_join(&workers[i]);
    assert_int_equal(atomic_load(&chosen), ROUNDS);
}

/* --- how ours is made --- */

/* The last one comes between the look of the others and their sleep. */
static void test_the_last_one_comes_just_before_the_sleep(void **state)
{
    begin(state, 2);
    at_moment(TRACE_SYSCALL_BEGIN, TRACE_CALL_FUTEX_WAIT, 1, come_once, NULL);
    come_once(NULL);
    assert_true(moment_came());
    assert_int_equal(atomic_load(&gone_on), 2);
    assert_int_equal(atomic_load(&chosen), 1);
}

/* The whole round ends, and the next begins, before one of its threads has woken up. */
static void come_twice(void *unused)
{
    struct worker others[2];

    come_once(unused); /* ends the first round */
    for (int i = 0; i < 2; i++)
        worker_start(&others[i], come_once, NULL); /* and this is the second, all of it */
    for (int i = 0; i < 2; i++)
        worker_join(&others[i]);
}

static void test_a_slow_sleeper_does_not_wait_for_a_later_round(void **state)
{
    begin(state, 2);
    at_moment(TRACE_SYSCALL_BEGIN, TRACE_CALL_FUTEX_WAIT, 1, come_twice, NULL);
    come_once(NULL);
    assert_int_equal(atomic_load(&gone_on), 4);
    assert_int_equal(atomic_load(&chosen), 2);
}

static void test_waits_that_end_for_no_reason(void **state)
{
    static const int errors[] = {0, EINTR, EAGAIN};
    struct worker other;

    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        begin(state, 2);
        unsigned before = futex_waits();
        futex_waits_return(50, errors[i]);
        worker_start(&other, come_once, NULL);
        while (futex_waits() < before + 51)
            sched_yield();
        assert_int_equal(atomic_load(&gone_on), 0);
        come_once(NULL);
        worker_join(&other);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        BOTH(test_nobody_goes_on_before_all_have_come),
        BOTH(test_a_barrier_for_one_lets_it_through),
        BOTH(test_a_barrier_for_nobody_is_refused),
        BOTH(test_who_is_one_too_many_waits_for_the_next_round),
        BOTH(test_many_rounds),
        SYNC_TEST(test_the_last_one_comes_just_before_the_sleep, &ours),
        SYNC_TEST(test_a_slow_sleeper_does_not_wait_for_a_later_round, &ours),
        SYNC_TEST(test_waits_that_end_for_no_reason, &ours),
    };
    return cmocka_run_group_tests_name("barrier", tests, NULL, NULL);
}
