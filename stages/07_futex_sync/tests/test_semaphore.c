/* LINK: -Wl,--wrap=syscall */
/* The semaphore. What POSIX says of sem_wait, trywait, timedwait and post is asked of ours and of the C library's; the
 * rest is about how ours is made. */
#define _GNU_SOURCE /* sem_clockwait */
#include "support_sync.h"

#include "semaphore.h"

#include <../include/semaphore.h> /* the C library's: the plain name is ours here */

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* --- two implementations --- */

/* The one that a test is about, for its threads. */
static union {
    struct semaphore ours;
    sem_t posix;
} semaphore;

struct kind {
    void (*init)(unsigned permits);
    bool (*trywait)(void);
    int (*wait)(uint64_t deadline); /* 0 or -ETIMEDOUT */
    int (*post)(void);
};

static void ours_init(unsigned permits)
{
    semaphore_init(&semaphore.ours, permits);
}

static bool ours_trywait(void)
{
    return semaphore_trywait(&semaphore.ours);
}

static int ours_wait(uint64_t deadline)
{
    if (deadline != FUTEX_NO_DEADLINE)
        return semaphore_wait_until(&semaphore.ours, deadline);
    semaphore_wait(&semaphore.ours);
    return 0;
}

static int ours_post(void)
{
    return semaphore_post(&semaphore.ours);
}

static void posix_init(unsigned permits)
{
    assert_int_equal(sem_init(&semaphore.posix, 0, permits), 0);
}

static bool posix_trywait(void)
{
    bool taken = sem_trywait(&semaphore.posix) == 0;
    assert_true(taken || errno == EAGAIN);
    return taken;
}

static int posix_wait(uint64_t deadline)
{
    struct timespec limit = {(time_t)(deadline / 1000000000), (long)(deadline % 1000000000)};
    int result;

    do
        result = deadline == FUTEX_NO_DEADLINE ? sem_wait(&semaphore.posix)
                                               : sem_clockwait(&semaphore.posix, CLOCK_MONOTONIC, &limit);
    while (result != 0 && errno == EINTR);
    return result ? -errno : 0;
}

static int posix_post(void)
{
    return sem_post(&semaphore.posix) == 0 ? 0 : -errno;
}

static struct kind ours = {ours_init, ours_trywait, ours_wait, ours_post};
static struct kind posix = {posix_init, posix_trywait, posix_wait, posix_post};

static const struct kind *kind;
static atomic_int passed;
static int written; /* before a post, read after the wait */

static void begin(void **state, unsigned permits)
{
    kind = *state;
    memset(&semaphore, 0xdb, sizeof semaphore);
    kind->init(permits);
    atomic_store(&passed, 0);
    written = 0;
}

static void pass(void *unused)
{
    (void)unused;
    assert_int_equal(kind->wait(FUTEX_NO_DEADLINE), 0);
    atomic_fetch_add_explicit(&passed, 1, memory_order_relaxed);
}

/* --- what POSIX says --- */

/* "sem_init ... the value of the initialized semaphore shall be value"; "sem_trywait() shall lock the semaphore only if
 * it is currently not locked". */
static void test_as_many_permits_as_were_given(void **state)
{
    begin(state, 3);
    for (int i = 0; i < 3; i++)
        assert_true(kind->trywait());
    assert_false(kind->trywait());
    assert_int_equal(kind->post(), 0);
    assert_int_equal(kind->wait(FUTEX_NO_DEADLINE), 0);
    assert_false(kind->trywait());
}

/* "If the semaphore value is currently zero, then the calling thread shall not return from the call until it locks the
 * semaphore"; "if the value resulting from sem_post is zero, one of the threads blocked shall return from sem_wait". */
static void test_one_post_lets_one_pass(void **state)
{
    struct worker waiters[3];

    begin(state, 0);
    for (int i = 0; i < 3; i++)
        worker_start(&waiters[i], pass, NULL);
    for (int i = 0; i < 3; i++)
        worker_wait_asleep(&waiters[i]);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(kind->post(), 0);
        wait_for(&passed, i);
    }
    for (int i = 0; i < 3; i++)
        worker_join(&waiters[i]);
    assert_false(kind->trywait());
}

/* Two posts before either sleeper has run. */
static void test_two_posts_let_two_pass(void **state)
{
    struct worker waiters[3];

    begin(state, 0);
    for (int i = 0; i < 3; i++)
        worker_start(&waiters[i], pass, NULL);
    for (int i = 0; i < 3; i++)
        worker_wait_asleep(&waiters[i]);
    kind->post();
    kind->post();
    wait_for(&passed, 2);
    kind->post();
    for (int i = 0; i < 3; i++)
        worker_join(&waiters[i]);
    assert_false(kind->trywait());
}

static void read_after_wait(void *unused)
{
    (void)unused;
    kind->wait(FUTEX_NO_DEADLINE);
    assert_int_equal(written, 42);
}

static void test_what_was_written_before_the_post_is_seen(void **state)
{
    struct worker reader;

    begin(state, 0);
    worker_start(&reader, read_after_wait, NULL);
    written = 42;
    kind->post();
    worker_join(&reader);
}

/* timedwait: "if the semaphore cannot be locked without waiting, this wait shall be terminated when the specified
 * timeout expires." */
static void test_a_deadline_ends_the_wait(void **state)
{
    begin(state, 0);
    uint64_t deadline = soon();
    assert_int_equal(kind->wait(deadline), -ETIMEDOUT);
    assert_true(trace_now() >= deadline);
    assert_int_equal(kind->post(), 0);
    assert_true(kind->trywait());
    assert_false(kind->trywait());
}

/* "Under no circumstance shall the function fail with a timeout if the semaphore can be locked immediately." */
static void test_a_permit_is_taken_even_after_the_deadline(void **state)
{
    begin(state, 1);
    assert_int_equal(kind->wait(1), 0);
    assert_int_equal(kind->wait(1), -ETIMEDOUT);
}

/* sem_post: "[EOVERFLOW] The maximum allowable value of the semaphore would be exceeded." */
static void test_too_many_permits(void **state)
{
    begin(state, SEMAPHORE_MAX - 1);
    assert_int_equal(kind->post(), 0);
    assert_int_equal(kind->post(), -EOVERFLOW);
    assert_true(kind->trywait());
    assert_int_equal(kind->post(), 0);
}

/* "The sem_post() function shall be async-signal-safe and may be invoked from a signal-catching function." */
static void post_in_handler(int unused)
{
    (void)unused;
    kind->post();
}

static void test_a_signal_handler_posts(void **state)
{
    struct sigaction action = {.sa_handler = post_in_handler}, before;
    struct worker waiter;

    begin(state, 0);
    sigaction(SIGUSR1, &action, &before);
    worker_start(&waiter, pass, NULL);
    worker_wait_asleep(&waiter);
    pthread_kill(waiter.thread, SIGUSR1); /* to the very thread that waits */
    worker_join(&waiter);
    sigaction(SIGUSR1, &before, NULL);
}

/* As many pass as permits were given, with threads that come as they like, some of which give up. */
enum { THREADS = 4, TURNS = 3000 };

static void take_many(void *seed)
{
    unsigned random = *(unsigned *)seed;

    for (int taken = 0; taken < TURNS;) {
        unsigned way = rand_r(&random) % 3;
        if (way == 0)
            taken += kind->wait(FUTEX_NO_DEADLINE) == 0;
        else if (way == 1)
            taken += kind->wait(trace_now() + rand_r(&random) % 20000) == 0;
        else
            taken += kind->trywait();
    }
}

static void post_many(void *seed)
{
    unsigned random = *(unsigned *)seed;

    for (int i = 0; i < TURNS; i++) {
        kind->post();
        if (rand_r(&random) % 8 == 0)
            sched_yield();
    }
}

static void test_no_permit_is_lost(void **state)
{
    struct worker takers[THREADS], posters[THREADS];
    unsigned seeds[THREADS], seed = sync_seed();

    begin(state, 0);
    for (int i = 0; i < THREADS; i++) {
        seeds[i] = seed + (unsigned)i;
        worker_start(&takers[i], take_many, &seeds[i]);
        worker_start(&posters[i], post_many, &seeds[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        worker_join(&takers[i]);
        worker_join(&posters[i]);
    }
    assert_false(kind->trywait());
}

/* --- how ours is made --- */

static void test_no_system_call_while_nobody_waits(void **state)
{
    begin(state, 0);
    for (int i = 0; i < 1000; i++) {
        kind->post();
        kind->wait(FUTEX_NO_DEADLINE);
    }
    assert_int_equal(futex_waits() + futex_wakes(), 0);
}

static void post_now(void *unused)
{
    (void)unused;
    kind->post();
}

static void test_a_post_just_before_the_sleep(void **state)
{
    begin(state, 0);
    at_moment(TRACE_SYSCALL_BEGIN, TRACE_CALL_FUTEX_WAIT, 1, post_now, NULL);
    assert_int_equal(kind->wait(later()), 0);
    assert_true(moment_came());
    assert_int_equal(futex_wakes(), 1);
}

/* The sleeper is on its way, and cannot be up yet: the wake is only just being made. */
static void post_nine_times(void *unused)
{
    (void)unused;
    for (int i = 0; i < 9; i++)
        kind->post();
}

static void test_many_posts_for_one_sleeper_are_one_call(void **state)
{
    struct worker waiter;

    begin(state, 0);
    worker_start(&waiter, pass, NULL);
    worker_wait_asleep(&waiter);
    at_moment(TRACE_SYSCALL_BEGIN, TRACE_CALL_FUTEX_WAKE, 1, post_nine_times, NULL);
    kind->post();
    assert_true(moment_came());
    assert_int_equal(futex_wakes(), 1);
    worker_join(&waiter);
    for (int i = 0; i < 9; i++)
        assert_true(kind->trywait());
}

static void test_who_gave_up_is_not_woken(void **state)
{
    begin(state, 0);
    assert_int_equal(kind->wait(1), -ETIMEDOUT);
    kind->post();
    assert_int_equal(futex_wakes(), 0);
}

static void test_waits_that_end_for_no_reason(void **state)
{
    static const int errors[] = {0, EINTR, EAGAIN};
    struct worker waiter;

    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        begin(state, 0);
        unsigned before = futex_waits();
        futex_waits_return(50, errors[i]);
        worker_start(&waiter, pass, NULL);
        while (futex_waits() < before + 51)
            sched_yield();
        assert_int_equal(atomic_load(&passed), 0);
        kind->post();
        worker_join(&waiter);
    }
}

/* Whoever gets the permit unmaps the semaphore before the post has gone on. */
static struct semaphore *passing;

static void take_and_unmap(void *unused)
{
    (void)unused;
    assert_true(semaphore_trywait(passing));
    munmap(passing, 4096);
}

static void test_nothing_is_touched_after_it_is_given_away(void **state)
{
    (void)state;
    passing = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(passing, MAP_FAILED);
    atomic_store(&passing->state, (uint64_t)1 << 32); /* no permit, one who waits */
    at_moment(TRACE_SYSCALL_BEGIN, TRACE_CALL_FUTEX_WAKE, 1, take_and_unmap, NULL);
    assert_int_equal(semaphore_post(passing), 0);
    assert_true(moment_came());
}

/* The same without force, for the thread sanitizer: it sees a touch behind the post whenever that comes. */
static void wait_and_free(void *s)
{
    semaphore_wait((struct semaphore *)s);
    free(s);
}

static void test_freed_by_who_takes_the_permit(void **state)
{
    struct worker waiter;

    (void)state;
    for (int round = 0; round < 50; round++) {
        struct semaphore *s = malloc(sizeof *s);
        assert_non_null(s);
        semaphore_init(s, 0);
        worker_start(&waiter, wait_and_free, s);
        if (round % 2)
            worker_wait_asleep(&waiter);
        semaphore_post(s);
        worker_join(&waiter);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        BOTH(test_as_many_permits_as_were_given),
        BOTH(test_one_post_lets_one_pass),
        BOTH(test_two_posts_let_two_pass),
        BOTH(test_what_was_written_before_the_post_is_seen),
        BOTH(test_a_deadline_ends_the_wait),
        BOTH(test_a_permit_is_taken_even_after_the_deadline),
        BOTH(test_too_many_permits),
        BOTH(test_a_signal_handler_posts),
        BOTH(test_no_permit_is_lost),
        SYNC_TEST(test_no_system_call_while_nobody_waits, &ours),
        SYNC_TEST(test_a_post_just_before_the_sleep, &ours),
        SYNC_TEST(test_many_posts_for_one_sleeper_are_one_call, &ours),
        SYNC_TEST(test_who_gave_up_is_not_woken, &ours),
        SYNC_TEST(test_waits_that_end_for_no_reason, &ours),
        SYNC_TEST(test_nothing_is_touched_after_it_is_given_away, NULL),
        SYNC_TEST(test_freed_by_who_takes_the_permit, NULL),
    };
    return cmocka_run_group_tests_name("semaphore", tests, NULL, NULL);
}
