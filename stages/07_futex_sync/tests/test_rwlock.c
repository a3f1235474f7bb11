/* LINK: -Wl,--wrap=syscall */
/* The reader-writer lock. What POSIX says of the pthread_rwlock functions is asked of ours and of the C library's; who
 * is preferred, which POSIX leaves open, and how ours is made, of ours alone. */
#include "support_sync.h"

#include "rwlock.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* --- two implementations --- */

static union {
    struct rwlock ours;
    pthread_rwlock_t posix;
} lock;

struct kind {
    void (*init)(void);
    void (*read_lock)(void);
    bool (*read_trylock)(void);
    void (*read_unlock)(void);
    void (*write_lock)(void);
    bool (*write_trylock)(void);
    void (*write_unlock)(void);
};

static void ours_init(void)
{
    rwlock_init(&lock.ours);
}

static void ours_read_lock(void)
{
    rwlock_read_lock(&lock.ours);
}

static bool ours_read_trylock(void)
{
    return rwlock_read_trylock(&lock.ours);
}

static void ours_read_unlock(void)
{
    rwlock_read_unlock(&lock.ours);
}

static void ours_write_lock(void)
{
    rwlock_write_lock(&lock.ours);
}

static bool ours_write_trylock(void)
{
    return rwlock_write_trylock(&lock.ours);
}

static void ours_write_unlock(void)
{
    rwlock_write_unlock(&lock.ours);
}

static void posix_init(void)
{
    assert_int_equal(pthread_rwlock_init(&lock.posix, NULL), 0);
}

static void posix_read_lock(void)
{
    assert_int_equal(pthread_rwlock_rdlock(&lock.posix), 0);
}

static bool posix_read_trylock(void)
{
    return pthread_rwlock_tryrdlock(&lock.posix) == 0;
}

static void posix_unlock(void)
{
    assert_int_equal(pthread_rwlock_unlock(&lock.posix), 0);
}

static void posix_write_lock(void)
{
    assert_int_equal(pthread_rwlock_wrlock(&lock.posix), 0);
}

static bool posix_write_trylock(void)
{
    return pthread_rwlock_trywrlock(&lock.posix) == 0;
}

static struct kind ours = {ours_init,       ours_read_lock,     ours_read_trylock, ours_read_unlock,
                           ours_write_lock, ours_write_trylock, ours_write_unlock};
static struct kind posix = {posix_init,       posix_read_lock,     posix_read_trylock, posix_unlock,
                            posix_write_lock, posix_write_trylock, posix_unlock};

static const struct kind *kind;
static int guarded;
static atomic_int readers_in, may_leave;

static void begin(void **state)
{
    kind = *state;
    memset(&lock, 0xdb, sizeof lock);
    kind->init();
    guarded = 0;
    atomic_store(&readers_in, 0);
    atomic_store(&may_leave, 0);
}

static void read_until_told(void *unused)
{
    (void)unused;
    kind->read_lock();
    atomic_fetch_add(&readers_in, 1);
    wait_for(&may_leave, 1);
    kind->read_unlock();
}

static void write_once(void *unused)
{
    (void)unused;
    kind->write_lock();
    guarded++;
    kind->write_unlock();
}

static void read_once(void *value)
{
    kind->read_lock();
    *(int *)value = guarded;
    kind->read_unlock();
}

/* --- what POSIX says --- */

/* "A thread shall be able to hold a read lock while others do"; "trywrlock ... shall fail if any thread currently holds
 * rwlock (for reading or writing)". */
static void test_readers_are_in_together(void **state)
{
    struct worker readers[3];

    begin(state);
    for (int i = 0; i < 3; i++)
        worker_start(&readers[i], read_until_told, NULL);
    wait_for(&readers_in, 3);
    assert_true(kind->read_trylock());
    kind->read_unlock();
    assert_false(kind->write_trylock());
    atomic_store(&may_leave, 1);
    for (int i = 0; i < 3; i++)
        worker_join(&readers[i]);
    assert_true(kind->write_trylock());
    kind->write_unlock();
}

/* "rdlock: the calling thread acquires the read lock if a writer does not hold the lock"; "tryrdlock shall fail if the
 * equivalent call would have blocked". */
static void test_a_writer_is_alone(void **state)
{
    struct worker reader, writer;
    int seen = -1;

    begin(state);
    kind->write_lock();
    assert_false(kind->read_trylock());
    assert_false(kind->write_trylock());
    worker_start(&reader, read_once, &seen);
    worker_start(&writer, write_once, NULL);
    worker_wait_asleep(&reader);
    worker_wait_asleep(&writer);
    guarded = 10;
    kind->write_unlock();
    worker_join(&reader);
    worker_join(&writer);
    assert_in_range(seen, 10, 11);
    assert_int_equal(guarded, 11);
}

/* "wrlock: ... the calling thread shall block until it can acquire the lock": when the last reader leaves. */
static void test_a_writer_waits_for_the_last_reader(void **state)
{
    struct worker writer;

    begin(state);
    kind->read_lock();
    kind->read_lock();
    worker_start(&writer, write_once, NULL);
    worker_wait_asleep(&writer);
    kind->read_unlock();
    worker_wait_asleep(&writer);
    assert_int_equal(guarded, 0);
    kind->read_unlock();
    worker_join(&writer);
    assert_int_equal(guarded, 1);
}

/* All who wait get it: readers behind a writer together, writers one by one. */
static void test_all_who_wait_get_it_in_the_end(void **state)
{
    struct worker readers[3], writers[3];
    int seen[3];

    begin(state);
    kind->write_lock();
    for (int i = 0; i < 3; i++) {
        worker_start(&readers[i], read_once, &seen[i]);
        worker_start(&writers[i], write_once, NULL);
    }
    for (int i = 0; i < 3; i++) {
        worker_wait_asleep(&readers[i]);
        worker_wait_asleep(&writers[i]);
    }
    kind->write_unlock();
    for (int i = 0; i < 3; i++) {
        worker_join(&readers[i]);
        worker_join(&writers[i]);
    }
    assert_int_equal(guarded, 3);
}

enum { THREADS = 6, TURNS = 3000 };

static int pair[2]; /* equal whenever nobody writes */

static void read_and_write(void *seed)
{
    unsigned random = *(unsigned *)seed;

    for (int i = 0; i < TURNS; i++) {
        unsigned way = rand_r(&random) % 8;
        if (way == 0 || (way == 1 && kind->write_trylock())) {
            if (way == 0)
                kind->write_lock();
            pair[0]++;
            if (rand_r(&random) % 8 == 0)
                sched_yield();
            pair[1]++;
            kind->write_unlock();
        } else if (way > 2 || kind->read_trylock()) {
            if (way > 2)
                kind->read_lock();
            assert_int_equal(pair[0], pair[1]);
            if (rand_r(&random) % 32 == 0)
                sched_yield();
            kind->read_unlock();
        }
    }
}

static void test_nobody_sees_a_half_written_pair(void **state)
{
    struct worker workers[THREADS];
    unsigned seeds[THREADS], seed = sync_seed();

    begin(state);
    pair[0] = pair[1] = 0;
    for (int i = 0; i < THREADS; i++) {
        seeds[i] = seed + (unsigned)i;
        worker_start(&workers[i], read_and_write, &seeds[i]);
    }
    for (int i = 0; i < THREADS; i++)
        worker_join(&workers[i]);
    assert_int_equal(pair[0], pair[1]);
    assert_true(kind->write_trylock());
    kind->write_unlock();
}

/* --- who is preferred --- */

/* Two readers overlap for ever: one always comes before the other leaves. A writer gets in all the same, as a reader
 * that comes after it waits. */
static void test_a_writer_does_not_starve(void **state)
{
    struct worker writer, reader;
    int seen = -1;

    begin(state);
    kind->read_lock();
    worker_start(&writer, write_once, NULL);
    worker_wait_asleep(&writer);
    assert_false(kind->read_trylock()); /* the next reader would have come here */
    worker_start(&reader, read_once, &seen);
    worker_wait_asleep(&reader);
    kind->read_unlock();
    worker_join(&writer);
    worker_join(&reader);
    assert_int_equal(seen, 1); /* it was the writer's turn */
}

/* When the last reader has woken the writer, and that is not up yet: still no reader slips in. */
static void read_must_fail(void *unused)
{
    (void)unused;
    assert_false(rwlock_read_trylock(&lock.ours));
}

static void test_no_reader_slips_in_before_the_woken_writer(void **state)
{
    struct worker writer;

    begin(state);
    kind->read_lock();
    worker_start(&writer, write_once, NULL);
    worker_wait_asleep(&writer);
    at_moment(TRACE_SYSCALL_BEGIN, TRACE_CALL_FUTEX_WAKE, 1, read_must_fail, NULL);
    kind->read_unlock();
    assert_true(moment_came());
    worker_join(&writer);
    assert_true(kind->read_trylock());
    kind->read_unlock();
}

/* --- how ours is made --- */

static void test_no_system_call_while_nobody_waits(void **state)
{
    begin(state);
    for (int i = 0; i < 100; i++) {
        kind->read_lock();
        kind->read_lock();
        kind->read_unlock();
        kind->read_unlock();
        write_once(NULL);
    }
    assert_int_equal(futex_waits() + futex_wakes(), 0);
}

static void test_it_is_forgotten_that_somebody_slept(void **state)
{
    struct worker reader, writer;
    int seen;

    begin(state);
    kind->write_lock();
    worker_start(&reader, read_once, &seen);
    worker_start(&writer, write_once, NULL);
    worker_wait_asleep(&reader);
    worker_wait_asleep(&writer);
    kind->write_unlock();
    worker_join(&reader);
    worker_join(&writer);
    unsigned calls = futex_waits() + futex_wakes();
    write_once(NULL);
    read_once(&seen);
    assert_int_equal(futex_waits() + futex_wakes(), calls);
}

static void leave_write(void *unused)
{
    (void)unused;
    kind->write_unlock();
}

static void leave_read(void *unused)
{
    (void)unused;
    kind->read_unlock();
}

static void test_given_back_just_before_a_reader_sleeps(void **state)
{
    int seen;

    begin(state);
    kind->write_lock();
    at_moment(TRACE_SYSCALL_BEGIN, TRACE_CALL_FUTEX_WAIT, 1, leave_write, NULL);
    read_once(&seen);
    assert_true(moment_came());
}

static void test_given_back_just_before_a_writer_sleeps(void **state)
{
    begin(state);
    kind->read_lock();
    at_moment(TRACE_SYSCALL_BEGIN, TRACE_CALL_FUTEX_WAIT, 1, leave_read, NULL);
    write_once(NULL);
    assert_true(moment_came());
    kind->write_lock();
    at_moment(TRACE_SYSCALL_BEGIN, TRACE_CALL_FUTEX_WAIT, 1, leave_write, NULL);
    write_once(NULL);
    assert_true(moment_came());
}

static void test_waits_that_end_for_no_reason(void **state)
{
    static const int errors[] = {0, EINTR, EAGAIN};
    struct worker reader, writer;
    int seen;

    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        begin(state);
        unsigned before = futex_waits();
        kind->write_lock();
        futex_waits_return(50, errors[i]);
        worker_start(&reader, read_once, &seen);
        worker_start(&writer, write_once, NULL);
        while (futex_waits() < before + 52)
            sched_yield();
        assert_int_equal(guarded, 0);
        kind->write_unlock();
        worker_join(&reader);
        worker_join(&writer);
    }
}

/* The writer that is next unmaps the lock before the one that left has woken it. */
static struct rwlock *passing;

static void take_and_unmap(void *unused)
{
    (void)unused;
    assert_true(rwlock_write_trylock(passing));
    munmap(passing, 4096);
}

static void pass_on(bool reads)
{
    passing = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(passing, MAP_FAILED);
    reads ? rwlock_read_lock(passing) : rwlock_write_lock(passing);
    atomic_fetch_add(&passing->state, 1u << 16); /* as if a writer waited */
    at_moment(TRACE_SYSCALL_BEGIN, TRACE_CALL_FUTEX_WAKE, 1, take_and_unmap, NULL);
    reads ? rwlock_read_unlock(passing) : rwlock_write_unlock(passing);
    assert_true(moment_came());
}

static void test_nothing_is_touched_after_it_is_given_away(void **state)
{
    (void)state;
    pass_on(true);
    pass_on(false);
}

/* The same without force, for the thread sanitizer: it sees a touch behind the unlock whenever that comes. */
static void write_and_free(void *rw)
{
    rwlock_write_lock((struct rwlock *)rw);
    rwlock_write_unlock((struct rwlock *)rw);
    free(rw);
}

static void test_freed_by_the_next_holder(void **state)
{
    struct worker next;

    (void)state;
    for (int round = 0; round < 60; round++) {
        struct rwlock *rw = malloc(sizeof *rw);
        bool reads = round % 2;
        assert_non_null(rw);
        rwlock_init(rw);
        reads ? rwlock_read_lock(rw) : rwlock_write_lock(rw);
        worker_start(&next, write_and_free, rw);
        if (round % 3)
            worker_wait_asleep(&next);
        reads ? rwlock_read_unlock(rw) : rwlock_write_unlock(rw);
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

/* Two may read at once, so each of them has a share of its own; a writer has the lock itself. */
static void test_shares_have_numbers_of_their_own(void **state)
{
    struct worker reader;
    int seen;

    begin(state);
    guards.count = 0;
    trace_set_hook(NULL, NULL);
    trace_set_hook(note_guard, NULL);
    kind->read_lock();
    worker_start(&reader, read_once, &seen);
    worker_join(&reader);
    kind->read_unlock();
    write_once(NULL);
    assert_int_equal(guards.count, 6);
    assert_int_equal(guards.locks[0], guards.locks[3]);
    assert_int_equal(guards.locks[1], guards.locks[2]);
    assert_int_not_equal(guards.locks[0], guards.locks[1]);
    assert_int_equal(guards.locks[4], guards.locks[5]);
    for (int i = 0; i < 4; i++)
        assert_int_equal((uint32_t)guards.locks[i], guards.locks[4]);
}

static void unlock_what_nobody_reads(void *unused)
{
    struct rwlock rw = {0};

    (void)unused;
    rwlock_read_unlock(&rw);
}

static void unlock_what_nobody_writes(void *unused)
{
    struct rwlock rw = {0};

    (void)unused;
    rwlock_read_lock(&rw);
    rwlock_write_unlock(&rw);
}

static void test_misuse(void **state)
{
    (void)state;
    expect_abort_saying(unlock_what_nobody_reads, "misuse: rwlock_read_unlock of a lock that nobody reads under");
    expect_abort_saying(unlock_what_nobody_writes, "misuse: rwlock_write_unlock of a lock that nobody writes under");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        BOTH(test_readers_are_in_together),
        BOTH(test_a_writer_is_alone),
        BOTH(test_a_writer_waits_for_the_last_reader),
        BOTH(test_all_who_wait_get_it_in_the_end),
        BOTH(test_nobody_sees_a_half_written_pair),
        SYNC_TEST(test_a_writer_does_not_starve, &ours),
        SYNC_TEST(test_no_reader_slips_in_before_the_woken_writer, &ours),
        SYNC_TEST(test_no_system_call_while_nobody_waits, &ours),
        SYNC_TEST(test_it_is_forgotten_that_somebody_slept, &ours),
        SYNC_TEST(test_given_back_just_before_a_reader_sleeps, &ours),
        SYNC_TEST(test_given_back_just_before_a_writer_sleeps, &ours),
        SYNC_TEST(test_waits_that_end_for_no_reason, &ours),
        SYNC_TEST(test_nothing_is_touched_after_it_is_given_away, NULL),
        SYNC_TEST(test_freed_by_the_next_holder, NULL),
        SYNC_TEST(test_shares_have_numbers_of_their_own, &ours),
        SYNC_TEST(test_misuse, NULL),
    };
    return cmocka_run_group_tests_name("rwlock", tests, NULL, NULL);
}
