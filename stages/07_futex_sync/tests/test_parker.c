/* LINK: -Wl,--wrap=syscall */
/* The parker: one token, which is never forgotten. (POSIX has no such thing.) */
#include "support_sync.h"

#include "parker.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

static struct parker parker;
static int written; /* before an unpark, read after the park */

static void park(void *unused)
{
    (void)unused;
    parker_park(&parker);
}

static void unpark(void *unused)
{
    (void)unused;
    parker_unpark(&parker);
}

static void begin(void)
{
    parker = (struct parker){0};
    written = 0;
}

static void test_an_unpark_that_comes_first_is_not_forgotten(void **state)
{
    (void)state;
    begin();
    parker_unpark(&parker);
    parker_park(&parker);
    assert_int_equal(futex_waits() + futex_wakes(), 0);
}

static void test_many_unparks_leave_one_token(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i < 3; i++)
        parker_unpark(&parker);
    parker_park(&parker);
    assert_int_equal(parker_park_until(&parker, 1), -ETIMEDOUT);
}

static void test_park_sleeps_until_unpark(void **state)
{
    struct worker sleeper;

    (void)state;
    begin();
    for (int i = 0; i < 3; i++) {
        worker_start(&sleeper, park, NULL);
        worker_wait_asleep(&sleeper);
        parker_unpark(&parker);
        worker_join(&sleeper);
    }
    assert_int_equal(futex_wakes(), 3);
}

static void test_unparked_between_the_look_and_the_sleep(void **state)
{
    (void)state;
    begin();
    at_moment(TRACE_SYSCALL_BEGIN, TRACE_CALL_FUTEX_WAIT, 1, unpark, NULL);
    assert_int_equal(parker_park_until(&parker, later()), 0);
    assert_true(moment_came());
    assert_int_equal(parker_park_until(&parker, 1), -ETIMEDOUT); /* one token, and it was taken */
}

static void test_a_deadline_ends_the_park(void **state)
{
    uint64_t deadline = soon();

    (void)state;
    begin();
    assert_int_equal(parker_park_until(&parker, deadline), -ETIMEDOUT);
    assert_true(trace_now() >= deadline);
    parker_unpark(&parker);
    assert_int_equal(futex_wakes(), 0); /* it is forgotten that somebody slept */
    assert_int_equal(parker_park_until(&parker, 1), 0);
}

/* The token comes when the deadline has ended the sleep, and the thread has not yet given up. */
static void test_unparked_together_with_the_deadline(void **state)
{
    (void)state;
    begin();
    at_moment(TRACE_SYSCALL_END, TRACE_CALL_FUTEX_WAIT, 1, unpark, NULL);
    assert_int_equal(parker_park_until(&parker, 1), 0);
    assert_true(moment_came());
    assert_int_equal(parker_park_until(&parker, 1), -ETIMEDOUT);
}

static void test_waits_that_end_for_no_reason(void **state)
{
    static const int errors[] = {0, EINTR, EAGAIN};
    struct worker sleeper;

    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        begin();
        unsigned before = futex_waits();
        futex_waits_return(50, errors[i]);
        worker_start(&sleeper, park, NULL);
        while (futex_waits() < before + 51)
            sched_yield();
        assert_false(worker_has_returned(&sleeper));
        parker_unpark(&parker);
        worker_join(&sleeper);
    }
}

static void park_and_read(void *unused)
{
    (void)unused;
    parker_park(&parker);
    assert_int_equal(written, 42);
}

static void test_what_was_written_before_the_unpark_is_seen(void **state)
{
    struct worker reader;

    (void)state;
    begin();
    worker_start(&reader, park_and_read, NULL);
    written = 42;
    parker_unpark(&parker);
    worker_join(&reader);
}

/* Work that comes from several threads, and one that does it: it looks, and parks when there is none. */
enum { THREADS = 4, PIECES = 3000 };

static atomic_int pieces;

static void bring(void *seed)
{
    unsigned random = *(unsigned *)seed;

    for (int i = 0; i < PIECES; i++) {
        atomic_fetch_add_explicit(&pieces, 1, memory_order_relaxed); /* the token orders it */
        parker_unpark(&parker);
        if (rand_r(&random) % 32 == 0)
            sched_yield();
    }
}

static void test_no_unpark_is_lost(void **state)
{
    struct worker workers[THREADS];
    unsigned seeds[THREADS], seed = sync_seed();

    (void)state;
    begin();
    atomic_store(&pieces, 0);
    for (int i = 0; i < THREADS; i++) {
        seeds[i] = seed + (unsigned)i;
        worker_start(&workers[i], bring, &seeds[i]);
    }
    for (int done = 0; done < THREADS * PIECES;) {
        int came = atomic_exchange_explicit(&pieces, 0, memory_order_relaxed);
        done += came;
        if (came == 0)
            parker_park(&parker);
    }
    for (int i = 0; i < THREADS; i++)
        worker_join(&workers[i]);
}

/* The parked thread unmaps the parker before the unpark has gone on. */
static struct parker *passing;

static void take_and_unmap(void *unused)
{
    (void)unused;
    parker_park(passing);
    munmap(passing, 4096);
}

static void test_nothing_is_touched_after_it_is_given_away(void **state)
{
    (void)state;
    passing = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(passing, MAP_FAILED);
    atomic_store(&passing->state, 2); /* as if a thread slept there */
    at_moment(TRACE_SYSCALL_BEGIN, TRACE_CALL_FUTEX_WAKE, 1, take_and_unmap, NULL);
    parker_unpark(passing);
    assert_true(moment_came());
}

/* The same without force, for the thread sanitizer: it sees a touch behind the unpark whenever that comes. */
static void park_and_free(void *p)
{
    parker_park((struct parker *)p);
    free(p);
}

static void test_freed_by_who_was_parked(void **state)
{
    struct worker sleeper;

    (void)state;
    for (int round = 0; round < 50; round++) {
        struct parker *p = calloc(1, sizeof *p);
        assert_non_null(p);
        worker_start(&sleeper, park_and_free, p);
        if (round % 2)
            worker_wait_asleep(&sleeper);
        parker_unpark(p);
        worker_join(&sleeper);
    }
}

static void park_where_another_sleeps(void *unused)
{
    struct worker sleeper;

    (void)unused;
    begin();
    worker_start(&sleeper, park, NULL);
    worker_wait_asleep(&sleeper);
    parker_park(&parker);
}

static void test_misuse(void **state)
{
    (void)state;
    expect_abort_saying(park_where_another_sleeps, "misuse: two threads park in the same parker");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYNC_TEST(test_an_unpark_that_comes_first_is_not_forgotten, NULL),
        SYNC_TEST(test_many_unparks_leave_one_token, NULL),
        SYNC_TEST(test_park_sleeps_until_unpark, NULL),
        SYNC_TEST(test_unparked_between_the_look_and_the_sleep, NULL),
        SYNC_TEST(test_a_deadline_ends_the_park, NULL),
        SYNC_TEST(test_unparked_together_with_the_deadline, NULL),
        SYNC_TEST(test_waits_that_end_for_no_reason, NULL),
        SYNC_TEST(test_what_was_written_before_the_unpark_is_seen, NULL),
        SYNC_TEST(test_no_unpark_is_lost, NULL),
        SYNC_TEST(test_nothing_is_touched_after_it_is_given_away, NULL),
        SYNC_TEST(test_freed_by_who_was_parked, NULL),
        SYNC_TEST(test_misuse, NULL),
    };
    return cmocka_run_group_tests_name("parker", tests, NULL, NULL);
}
