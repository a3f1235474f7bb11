/* LINK: -Wl,--wrap=syscall */
/* The mutex. What POSIX says of pthread_mutex_lock, trylock and unlock is asked of ours and of the C library's; the
 * rest is about how ours is made. */
#include "support_sync.h"

#include "mutex.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* --- two implementations --- */

union any_mutex {
    struct mutex ours;
    pthread_mutex_t posix;
};

struct kind {
    void (*init)(union any_mutex *m);
    void (*lock)(union any_mutex *m);
    bool (*trylock)(union any_mutex *m);
    void (*unlock)(union any_mutex *m);
};

static void ours_init(union any_mutex *m)
{
    mutex_init(&m->ours);
}

static void ours_lock(union any_mutex *m)
{
    mutex_lock(&m->ours);
}

static bool ours_trylock(union any_mutex *m)
{
    return mutex_trylock(&m->ours);
}

static void ours_unlock(union any_mutex *m)
{
    mutex_unlock(&m->ours);
}

static void posix_init(union any_mutex *m)
{
    assert_int_equal(pthread_mutex_init(&m->posix, NULL), 0);
}

static void posix_lock(union any_mutex *m)
{
    assert_int_equal(pthread_mutex_lock(&m->posix), 0);
}

static bool posix_trylock(union any_mutex *m)
{
    int error = pthread_mutex_trylock(&m->posix);
    assert_true(error == 0 || error == EBUSY);
    return error == 0;
}

static void posix_unlock(union any_mutex *m)
{
    assert_int_equal(pthread_mutex_unlock(&m->posix), 0);
}

static struct kind ours = {ours_init, ours_lock, ours_trylock, ours_unlock};
static struct kind posix = {posix_init, posix_lock, posix_trylock, posix_unlock};

/* The one that a test is about, for its threads. */
static const struct kind *kind;
static union any_mutex mutex;
static int guarded; /* by mutex */

static void begin(void **state)
{
    kind = *state;
    memset(&mutex, 0xdb, sizeof mutex);
    kind->init(&mutex);
    guarded = 0;
}

static void add_one(void *unused)
{
    (void)unused;
    kind->lock(&mutex);
    guarded++;
    kind->unlock(&mutex);
}

/* --- what POSIX says --- */

/* "If the mutex is already locked by another thread, the calling thread shall block until the mutex becomes
 * available." */
static void test_lock_blocks_until_it_is_free(void **state)
{
    struct worker other;

    begin(state);
    kind->lock(&mutex);
    worker_start(&other, add_one, NULL);
    worker_wait_asleep(&other);
    assert_int_equal(guarded, 0);
    kind->unlock(&mutex);
    worker_join(&other);
    assert_int_equal(guarded, 1);
}

static void try_once(void *taken)
{
    *(bool *)taken = kind->trylock(&mutex);
    if (*(bool *)taken)
        kind->unlock(&mutex);
}

/* "trylock ... if the mutex is currently locked (by any thread, including the current thread), the call shall return
 * immediately." */
static void test_trylock_returns_at_once(void **state)
{
    struct worker other;
    bool taken = true;

    begin(state);
    assert_true(kind->trylock(&mutex));
    assert_false(kind->trylock(&mutex));
    worker_start(&other, try_once, &taken);
    worker_join(&other);
    assert_false(taken);
    kind->unlock(&mutex);
    worker_start(&other, try_once, &taken);
    worker_join(&other);
    assert_true(taken);
}

/* "If there are threads blocked on the mutex ... when unlock is called, resulting in the mutex becoming available, the
 * scheduling policy shall determine which thread shall acquire the mutex": one of them does, and in the end all. */
static void test_all_who_wait_get_it_in_the_end(void **state)
{
    struct worker workers[5];

    begin(state);
    kind->lock(&mutex);
    for (int i = 0; i < 5; i++)
        worker_start(&workers[i], add_one, NULL);
    for (int i = 0; i < 5; i++)
        worker_wait_asleep(&workers[i]);
    kind->unlock(&mutex);
    for (int i = 0; i < 5; i++)
        worker_join(&workers[i]);
    assert_int_equal(guarded, 5);
}

/* A thread that was told to take a signal resumes waiting "as if it was not interrupted". */
static void handle(int unused)
{
    (void)unused;
}

static void test_a_signal_does_not_end_the_wait(void **state)
{
    struct sigaction action = {.sa_handler = handle}, before; /* without SA_RESTART */
    struct worker other;

    begin(state);
    sigaction(SIGUSR1, &action, &before);
    kind->lock(&mutex);
    worker_start(&other, add_one, NULL);
    for (int i = 0; i < 3; i++) {
        worker_wait_asleep(&other);
        pthread_kill(other.thread, SIGUSR1);
        while (kind == &ours && futex_waits() < (unsigned)i + 2) /* the wait was interrupted, and began again */
            sched_yield();
    }
    worker_wait_asleep(&other);
    assert_int_equal(guarded, 0);
    kind->unlock(&mutex);
    worker_join(&other);
    assert_int_equal(guarded, 1);
    sigaction(SIGUSR1, &before, NULL);
}

/* Mutual exclusion, under threads that come as they like. */
enum { THREADS = 6, TURNS = 4000 };

static void add_many(void *seed)
{
    unsigned random = *(unsigned *)seed;

    for (int i = 0; i < TURNS; i++) {
        if (rand_r(&random) % 4 > 0 || !kind->trylock(&mutex))
            kind->lock(&mutex);
        int read = guarded;
        if (rand_r(&random) % 64 == 0)
            sched_yield();
        guarded = read + 1;
        kind->unlock(&mutex);
    }
}

static void test_one_at_a_time(void **state)
{
    struct worker workers[THREADS];
    unsigned seeds[THREADS], seed = sync_seed();

    begin(state);
    for (int i = 0; i < THREADS; i++) {
        seeds[i] = seed + (unsigned)i;
        worker_start(&workers[i], add_many, &seeds[i]);
    }
    for (int i = 0; i < THREADS; i++)
        worker_join(&workers[i]);
    assert_int_equal(guarded, THREADS * TURNS);
}

/* --- how ours is made --- */

static void test_no_system_call_while_nobody_waits(void **state)
{
    begin(state);
    for (int i = 0; i < 1000; i++)
        add_one(NULL);
    assert_int_equal(futex_waits() + futex_wakes(), 0);
}

/* Given back between the mark of the waiter and its sleep: that sleep must not be. */
static void unlock_now(void *unused)
{
    (void)unused;
    kind->unlock(&mutex);
}

static void test_given_back_just_before_the_sleep(void **state)
{
    begin(state);
    kind->lock(&mutex);
    at_moment(TRACE_SYSCALL_BEGIN, TRACE_CALL_FUTEX_WAIT, 1, unlock_now, NULL);
    add_one(NULL);
    assert_true(moment_came());
    assert_int_equal(guarded, 1);
    assert_int_equal(futex_waits(), 1);
}

/* Three threads: one holds, two sleep. The one that is woken does not know of the other, and still has to wake it. */
static void test_the_second_sleeper_is_not_forgotten(void **state)
{
    struct worker first, second;

    begin(state);
    kind->lock(&mutex);
    worker_start(&first, add_one, NULL);
    worker_start(&second, add_one, NULL);
    worker_wait_asleep(&first);
    worker_wait_asleep(&second);
    kind->unlock(&mutex);
    worker_join(&first);
    worker_join(&second);
    assert_int_equal(guarded, 2);
    assert_in_range(futex_wakes(), 2, 3); /* the last one cannot know that it is the last */
    add_one(NULL);
    assert_in_range(futex_wakes(), 2, 3); /* but then it is forgotten that somebody slept */
}

static void test_waits_that_end_for_no_reason(void **state)
{
    static const int errors[] = {0, EINTR, EAGAIN};

    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct worker other;
        begin(state);
        kind->lock(&mutex);
        futex_waits_return(100, errors[i]);
        worker_start(&other, add_one, NULL);
        while (futex_waits() < 101 * (i + 1))
            sched_yield();
        assert_int_equal(guarded, 0);
        kind->unlock(&mutex);
        worker_join(&other);
        assert_int_equal(guarded, 1);
    }
}

/* The next holder unmaps the mutex as soon as it has it. Nothing of it may be touched after the store that gives it
 * away: it would be a crash. */
static struct mutex *passing;

static void take_and_unmap(void *unused)
{
    (void)unused;
    while (!mutex_trylock(passing))
        ;
    munmap(passing, 4096);
}

static void test_nothing_is_touched_after_it_is_given_away(void **state)
{
    (void)state;
    passing = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(passing, MAP_FAILED);
    mutex_lock(passing);
    atomic_store(&passing->state, MUTEX_WAITED); /* so the unlock has to wake */
    at_moment(TRACE_SYSCALL_BEGIN, TRACE_CALL_FUTEX_WAKE, 1, take_and_unmap, NULL);
    mutex_unlock(passing);
    assert_true(moment_came());
}

/* The same without force, for the thread sanitizer: it sees a touch behind the unlock whenever that comes. */
static void lock_and_free(void *m)
{
    mutex_lock((struct mutex *)m);
    mutex_unlock((struct mutex *)m);
    free(m);
}

static void test_freed_by_the_next_holder(void **state)
{
    struct worker next;

    (void)state;
    for (int round = 0; round < 50; round++) {
        struct mutex *m = malloc(sizeof *m);
        assert_non_null(m);
        mutex_init(m);
        mutex_lock(m);
        worker_start(&next, lock_and_free, m);
        if (round % 2)
            worker_wait_asleep(&next);
        mutex_unlock(m);
        worker_join(&next);
    }
}

/* --- recordings and misuse --- */

static struct {
    enum trace_kind kinds[16];
    uint64_t locks[16];
    int count;
} guards;

static void note_guard(void *unused, enum trace_kind what, uint32_t task, uint32_t a, uint64_t b)
{
    (void)unused, (void)task, (void)a;
    if (what != TRACE_GUARD_ACQUIRE && what != TRACE_GUARD_RELEASE)
        return;
    guards.kinds[guards.count] = what;
    guards.locks[guards.count++] = b;
}

static void test_each_lock_is_recorded_under_its_number(void **state)
{
    struct mutex one = {0}, other;

    (void)state;
    mutex_init(&other);
    guards.count = 0;
    trace_set_hook(NULL, NULL);
    trace_set_hook(note_guard, NULL);
    mutex_lock(&one);
    assert_true(mutex_trylock(&other));
    assert_false(mutex_trylock(&one));
    mutex_unlock(&one);
    mutex_unlock(&other);
    assert_int_equal(guards.count, 4);
    assert_int_equal(guards.kinds[1], TRACE_GUARD_ACQUIRE);
    assert_int_equal(guards.kinds[2], TRACE_GUARD_RELEASE);
    assert_int_not_equal(guards.locks[0], 0);
    assert_int_not_equal(guards.locks[0], guards.locks[1]);
    assert_int_equal(guards.locks[0], guards.locks[2]);
    assert_int_equal(guards.locks[1], guards.locks[3]);
}

static void unlock_free(void *unused)
{
    struct mutex m = {0};

    (void)unused;
    mutex_unlock(&m);
}

static void unlock_twice(void *unused)
{
    struct mutex m = {0};

    (void)unused;
    mutex_lock(&m);
    mutex_unlock(&m);
    mutex_unlock(&m);
}

static void test_misuse(void **state)
{
    (void)state;
    expect_abort_saying(unlock_free, "misuse: mutex_unlock of a mutex that is not locked");
    expect_abort_saying(unlock_twice, "misuse: mutex_unlock of a mutex that is not locked");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        BOTH(test_lock_blocks_until_it_is_free),
        BOTH(test_trylock_returns_at_once),
        BOTH(test_all_who_wait_get_it_in_the_end),
        BOTH(test_a_signal_does_not_end_the_wait),
        BOTH(test_one_at_a_time),
        SYNC_TEST(test_no_system_call_while_nobody_waits, &ours),
        SYNC_TEST(test_given_back_just_before_the_sleep, &ours),
        SYNC_TEST(test_the_second_sleeper_is_not_forgotten, &ours),
        SYNC_TEST(test_waits_that_end_for_no_reason, &ours),
        SYNC_TEST(test_nothing_is_touched_after_it_is_given_away, NULL),
        SYNC_TEST(test_freed_by_the_next_holder, NULL),
        SYNC_TEST(test_each_lock_is_recorded_under_its_number, NULL),
        SYNC_TEST(test_misuse, NULL),
    };
    return cmocka_run_group_tests_name("mutex", tests, NULL, NULL);
}
