/* LINK: -Wl,--wrap=syscall */
/* The condition variable. What POSIX says of pthread_cond_wait, timedwait, signal and broadcast is asked of ours and of
 * the C library's; the rest is about how ours is made. */
#include "support_sync.h"

#include "condvar.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- two implementations --- */

union any_mutex {
    struct mutex ours;
    pthread_mutex_t posix;
};

union any_condvar {
    struct condvar ours;
    pthread_cond_t posix;
};

/* The one that a test is about, for its threads. */
static union any_mutex mutex;
static union any_condvar changed;
static int permits, passed; /* guarded by mutex */

struct kind {
    void (*init)(void);
    void (*lock)(void);
    bool (*trylock)(void);
    void (*unlock)(void);
    int (*wait)(uint64_t deadline); /* 0 or -ETIMEDOUT */
    void (*signal)(void);
    void (*broadcast)(void);
};

static void ours_init(void)
{
    mutex_init(&mutex.ours);
    condvar_init(&changed.ours);
}

static void ours_lock(void)
{
    mutex_lock(&mutex.ours);
}

static bool ours_trylock(void)
{
    return mutex_trylock(&mutex.ours);
}

static void ours_unlock(void)
{
    mutex_unlock(&mutex.ours);
}

static int ours_wait(uint64_t deadline)
{
    if (deadline != FUTEX_NO_DEADLINE)
        return condvar_wait_until(&changed.ours, &mutex.ours, deadline);
    condvar_wait(&changed.ours, &mutex.ours);
    return 0;
}

static void ours_signal(void)
{
    condvar_signal(&changed.ours);
}

static void ours_broadcast(void)
{
    condvar_broadcast(&changed.ours);
}

static void posix_init(void)
{
    pthread_condattr_t attributes;

    assert_int_equal(pthread_condattr_init(&attributes), 0);
    assert_int_equal(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC), 0);
    assert_int_equal(pthread_cond_init(&changed.posix, &attributes), 0);
    assert_int_equal(pthread_mutex_init(&mutex.posix, NULL), 0);
}

static void posix_lock(void)
{
    assert_int_equal(pthread_mutex_lock(&mutex.posix), 0);
}

static bool posix_trylock(void)
{
    return pthread_mutex_trylock(&mutex.posix) == 0;
}

static void posix_unlock(void)
{
    assert_int_equal(pthread_mutex_unlock(&mutex.posix), 0);
}

static int posix_wait(uint64_t deadline)
{
    struct timespec limit = {(time_t)(deadline / 1000000000), (long)(deadline % 1000000000)};

    if (deadline != FUTEX_NO_DEADLINE)
        return -pthread_cond_timedwait(&changed.posix, &mutex.posix, &limit);
    return -pthread_cond_wait(&changed.posix, &mutex.posix);
}

static void posix_signal(void)
{
    assert_int_equal(pthread_cond_signal(&changed.posix), 0);
}

static void posix_broadcast(void)
{
    assert_int_equal(pthread_cond_broadcast(&changed.posix), 0);
}

static struct kind ours = {ours_init, ours_lock, ours_trylock, ours_unlock, ours_wait, ours_signal, ours_broadcast};
static struct kind posix = {posix_init, posix_lock,   posix_trylock,  posix_unlock,
                            posix_wait, posix_signal, posix_broadcast};

static const struct kind *kind;

static void begin(void **state)
{
    kind = *state;
    memset(&mutex, 0xdb, sizeof mutex);
    memset(&changed, 0xdb, sizeof changed);
    kind->init();
    permits = passed = 0;
}

/* Waits for a permit and uses it up. */
static void pass(void *unused)
{
    (void)unused;
    kind->lock();
    while (permits == 0)
        kind->wait(FUTEX_NO_DEADLINE);
    permits--;
    passed++;
    kind->unlock();
}

static void give(int count)
{
    kind->lock();
    permits += count;
    kind->unlock();
}

static int passed_now(void)
{
    kind->lock();
    int now = passed;
    kind->unlock();
    return now;
}

static void wait_for_passed(int count)
{
    while (passed_now() < count)
        sched_yield();
}

/* --- what POSIX says --- */

/* "These functions atomically release mutex and cause the calling thread to block"; "upon successful return, the mutex
 * shall have been locked and shall be owned by the calling thread." */
static void wait_once(void *held_after)
{
    kind->lock();
    permits = -1; /* says: about to wait */
    kind->wait(FUTEX_NO_DEADLINE);
    *(bool *)held_after = !kind->trylock();
    kind->unlock();
}

static void test_wait_gives_the_mutex_back_and_takes_it_again(void **state)
{
    struct worker waiter;
    bool held_after = false, waits = false;

    begin(state);
    worker_start(&waiter, wait_once, &held_after);
    while (!waits) {
        kind->lock(); /* it can be had although the waiter never unlocks it by itself */
        waits = permits == -1;
        kind->unlock();
    }
    kind->signal(); /* whoever has had the mutex since finds it blocked */
    worker_join(&waiter);
    assert_true(held_after);
}

/* "pthread_cond_signal() shall unblock at least one of the threads that are blocked." */
static void test_signal_wakes_one(void **state)
{
    struct worker waiters[3];

    begin(state);
    for (int i = 0; i < 3; i++)
        worker_start(&waiters[i], pass, NULL);
    for (int i = 0; i < 3; i++)
        worker_wait_asleep(&waiters[i]);
    for (int i = 1; i <= 3; i++) {
        give(1);
        kind->signal();
        wait_for_passed(i);
    }
    for (int i = 0; i < 3; i++)
        worker_join(&waiters[i]);
}

/* "pthread_cond_broadcast() shall unblock all threads currently blocked." */
static void test_broadcast_wakes_all(void **state)
{
    struct worker waiters[4];

    begin(state);
    for (int i = 0; i < 4; i++)
        worker_start(&waiters[i], pass, NULL);
    for (int i = 0; i < 4; i++)
        worker_wait_asleep(&waiters[i]);
    kind->lock();
    permits = 4;
    kind->broadcast();
    kind->unlock();
    for (int i = 0; i < 4; i++)
        worker_join(&waiters[i]);
    assert_int_equal(passed, 4);
}

/* "... shall have no effect if there are no threads currently blocked": a signal is not kept for later. */
static void test_a_signal_without_waiters_is_not_kept(void **state)
{
    begin(state);
    kind->signal();
    kind->broadcast();
    kind->lock();
    assert_int_equal(kind->wait(soon()), -ETIMEDOUT); /* that it ends for no reason is allowed, but not seen */
    kind->unlock();
}

/* timedwait: "an error is returned if the absolute time specified by abstime passes before the condition is signaled";
 * "when such timeouts occur, it shall nonetheless release and re-acquire the mutex". */
static void test_a_deadline_ends_the_wait(void **state)
{
    begin(state);
    uint64_t deadline = soon();
    kind->lock();
    while (kind->wait(deadline) == 0)
        ;
    assert_true(trace_now() >= deadline);
    assert_false(kind->trylock());
    kind->unlock();
}

/* "... or if the absolute time has already been passed at the time of the call." */
static void test_a_deadline_in_the_past(void **state)
{
    begin(state);
    kind->lock();
    assert_int_equal(kind->wait(1), -ETIMEDOUT);
    assert_false(kind->trylock());
    kind->unlock();
}

/* A waiter that gives up takes nobody's signal along. */
static void give_up_soon(void *unused)
{
    (void)unused;
    kind->lock();
    while (kind->wait(soon()) == 0)
        ;
    kind->unlock();
}

static void test_who_gives_up_takes_no_signal_along(void **state)
{
    struct worker patient, impatient;

    begin(state);
    worker_start(&impatient, give_up_soon, NULL);
    worker_start(&patient, pass, NULL);
    worker_wait_asleep(&patient);
    worker_join(&impatient);
    give(1);
    kind->signal();
    worker_join(&patient);
}

/* Nothing is lost between threads that come as they like. */
enum { THREADS = 4, TURNS = 3000 };

/* Some waits give up early, and begin again. */
static void pass_many(void *seed)
{
    unsigned random = *(unsigned *)seed;

    for (int i = 0; i < TURNS; i++) {
        kind->lock();
        while (permits == 0)
            kind->wait(rand_r(&random) % 3 ? FUTEX_NO_DEADLINE : trace_now() + rand_r(&random) % 50000);
        permits--;
        passed++;
        kind->unlock();
    }
}

static void give_many(void *seed)
{
    unsigned random = *(unsigned *)seed;

    for (int given = 0; given < TURNS;) {
        int count = 1 + rand_r(&random) % 3;
        count = count < TURNS - given ? count : TURNS - given;
        kind->lock();
        permits += count;
        bool inside = rand_r(&random) % 2;
        if (inside)
            count == 1 ? kind->signal() : kind->broadcast();
        kind->unlock();
        if (!inside)
            count == 1 ? kind->signal() : kind->broadcast();
        given += count;
    }
}

static void test_no_signal_is_lost(void **state)
{
    struct worker takers[THREADS], givers[THREADS];
    unsigned seeds[THREADS], seed = sync_seed();

    begin(state);
    for (int i = 0; i < THREADS; i++) {
        seeds[i] = seed + (unsigned)i;
        worker_start(&takers[i], pass_many, &seeds[i]);
        worker_start(&givers[i], give_many, &seeds[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        worker_join(&takers[i]);
        worker_join(&givers[i]);
    }
    assert_int_equal(passed, THREADS * TURNS);
    assert_int_equal(permits, 0);
}

/* --- how ours is made --- */

static void test_no_system_call_while_nobody_waits(void **state)
{
    begin(state);
    for (int i = 0; i < 100; i++) {
        kind->signal();
        kind->broadcast();
    }
    assert_int_equal(futex_waits() + futex_wakes(), 0);
}

/* The sleeper was woken, but does not run yet: it cannot, as it needs the mutex. Further signals wake nobody. */
static void test_many_signals_for_one_sleeper_are_one_call(void **state)
{
    struct worker waiter;

    begin(state);
    worker_start(&waiter, pass, NULL);
    worker_wait_asleep(&waiter);
    kind->lock();
    unsigned before = futex_wakes();
    permits = 1;
    for (int i = 0; i < 10; i++)
        kind->signal();
    kind->broadcast();
    assert_int_equal(futex_wakes(), before + 1);
    kind->unlock();
    worker_join(&waiter);
}

static void test_a_broadcast_counts_all_out(void **state)
{
    struct worker waiters[3];

    begin(state);
    for (int i = 0; i < 3; i++)
        worker_start(&waiters[i], pass, NULL);
    for (int i = 0; i < 3; i++)
        worker_wait_asleep(&waiters[i]);
    kind->lock();
    unsigned before = futex_wakes();
    permits = 3;
    for (int i = 0; i < 10; i++)
        kind->broadcast();
    assert_int_equal(futex_wakes(), before + 1);
    kind->unlock();
    for (int i = 0; i < 3; i++)
        worker_join(&waiters[i]);
}

/* A wake that a later waiter takes goes on to the one that it was for. */
static void join_and_wait(void *unused)
{
    (void)unused;
    kind->lock();
    futex_waits_return(1, 0); /* as if it had taken the wake that is coming */
    kind->wait(FUTEX_NO_DEADLINE);
    kind->unlock();
}

static void test_a_wake_that_was_for_another_goes_on_to_it(void **state)
{
    begin(state);
    join_and_wait(NULL);
    assert_int_equal(futex_wakes(), 1); /* to nobody, here */
    kind->signal();                     /* it has counted itself out */
    assert_int_equal(futex_wakes(), 1);
}

/* Three wait, nobody has signalled, and a wake for somebody else (see futex_wake) hits one of them: it must not be
 * handed around among them for ever. */
static void test_a_stray_wake_is_not_handed_around(void **state)
{
    struct worker waiters[3];
    const _Atomic uint32_t *word = (const _Atomic uint32_t *)&changed.ours.state;

    begin(state);
    for (int i = 0; i < 3; i++)
        worker_start(&waiters[i], pass, NULL);
    for (int i = 0; i < 3; i++)
        worker_wait_asleep(&waiters[i]);
    unsigned before = futex_waits();
    assert_int_equal(futex_wake(word + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__), 1, SITE("")), 1);
    while (futex_waits() == before)
        sched_yield();
    for (int i = 0; i < 3; i++)
        worker_wait_asleep(&waiters[i]);
    assert_int_equal(futex_waits(), before + 1);
    give(3);
    kind->broadcast();
    for (int i = 0; i < 3; i++)
        worker_join(&waiters[i]);
}

static void test_after_a_wait_it_is_forgotten_that_somebody_waited(void **state)
{
    struct worker waiter;

    begin(state);
    worker_start(&waiter, pass, NULL);
    worker_wait_asleep(&waiter);
    give(1);
    kind->signal();
    worker_join(&waiter);
    unsigned wakes = futex_wakes();
    kind->lock();
    assert_int_equal(kind->wait(1), -ETIMEDOUT);
    kind->unlock();
    kind->signal();
    assert_int_equal(futex_wakes(), wakes);
}

/* The signal comes when the mutex was given back, and the waiter does not sleep yet. To stand exactly there, somebody
 * waits for the mutex, so that giving it back makes a system call. */
static void give_and_signal(void *unused)
{
    (void)unused;
    give(1);
    kind->signal();
}

static void test_a_signal_between_the_unlock_and_the_sleep(void **state)
{
    begin(state);
    at_moment(TRACE_SYSCALL_END, TRACE_CALL_FUTEX_WAKE, 1, give_and_signal, NULL);
    kind->lock();
    atomic_store(&mutex.ours.state, MUTEX_WAITED);
    assert_int_equal(kind->wait(later()), 0);
    assert_true(moment_came());
    assert_int_equal(permits, 1);
    kind->unlock();
}

static void test_a_signal_just_before_the_sleep(void **state)
{
    begin(state);
    at_moment(TRACE_SYSCALL_BEGIN, TRACE_CALL_FUTEX_WAIT, 1, give_and_signal, NULL);
    kind->lock();
    assert_int_equal(kind->wait(later()), 0);
    assert_true(moment_came());
    assert_int_equal(permits, 1);
    kind->unlock();
}

/* A wait that ends for no reason looks like any other: that is why there is a loop around it. */
static void test_waits_that_end_for_no_reason(void **state)
{
    static const int errors[] = {0, EINTR, EAGAIN};
    struct worker waiter;

    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        begin(state);
        unsigned before = futex_waits();
        futex_waits_return(50, errors[i]);
        worker_start(&waiter, pass, NULL);
        while (futex_waits() < before + 51)
            sched_yield();
        assert_int_equal(passed_now(), 0);
        give(1);
        kind->signal();
        worker_join(&waiter);
        assert_int_equal(passed, 1);
    }
}

/* --- misuse --- */

static void wait_without_the_mutex(void *unused)
{
    struct mutex m = {0};
    struct condvar cv = {0};

    (void)unused;
    condvar_wait(&cv, &m);
}

static void test_misuse(void **state)
{
    (void)state;
    expect_abort_saying(wait_without_the_mutex, "misuse: mutex_unlock of a mutex that is not locked");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        BOTH(test_wait_gives_the_mutex_back_and_takes_it_again),
        BOTH(test_signal_wakes_one),
        BOTH(test_broadcast_wakes_all),
        BOTH(test_a_signal_without_waiters_is_not_kept),
        BOTH(test_a_deadline_ends_the_wait),
        BOTH(test_a_deadline_in_the_past),
        BOTH(test_who_gives_up_takes_no_signal_along),
        BOTH(test_no_signal_is_lost),
        SYNC_TEST(test_no_system_call_while_nobody_waits, &ours),
        SYNC_TEST(test_many_signals_for_one_sleeper_are_one_call, &ours),
        SYNC_TEST(test_a_broadcast_counts_all_out, &ours),
        SYNC_TEST(test_a_wake_that_was_for_another_goes_on_to_it, &ours),
        SYNC_TEST(test_a_stray_wake_is_not_handed_around, &ours),
        SYNC_TEST(test_after_a_wait_it_is_forgotten_that_somebody_waited, &ours),
        SYNC_TEST(test_a_signal_between_the_unlock_and_the_sleep, &ours),
        SYNC_TEST(test_a_signal_just_before_the_sleep, &ours),
        SYNC_TEST(test_waits_that_end_for_no_reason, &ours),
        SYNC_TEST(test_misuse, NULL),
    };
    return cmocka_run_group_tests_name("condvar", tests, NULL, NULL);
}
