/* Mutexes and condition variables. What one unlock did is known to the thread that locks next.
 *
 * Giving a mutex back is no point at which others are scheduled: until the thread's next step it makes no difference to
 * them whether they wait for the mutex before it or find it free after it. */
#include "core.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

enum { MAX_LOCKS = 64, FREE = -1 };

struct lock {
    const void *mutex;
    int owner; /* thread, or FREE */
    struct clock clock;
};

/* Of this run. */
static struct lock locks[MAX_LOCKS];
static unsigned lock_count;

static struct lock *lock_of(const void *mutex)
{
    for (unsigned i = 0; i < lock_count; i++)
        if (locks[i].mutex == mutex)
            return &locks[i];
    if (lock_count == MAX_LOCKS)
        fail(NULL, "a model has at most %d mutexes", MAX_LOCKS);
    locks[lock_count] = (struct lock){.mutex = mutex, .owner = FREE};
    return &locks[lock_count++];
}

static bool is_free(const struct thread *thread)
{
    return lock_of(thread->object)->owner == FREE;
}

static void take(const void *mutex)
{
    struct lock *lock = lock_of(mutex);

    lock->owner = (int)me()->id;
    clock_join(&me()->clock, &lock->clock);
    count_change();
    point_done();
}

static void lock(const void *mutex, const void *pc)
{
    point(OP_CHANGE, mutex, is_free, pc);
    check_access(mutex, 1, ACCESS_ATOMIC | ACCESS_READ, pc); /* it still exists */
    take(mutex);
}

static void unlock(const void *mutex, const void *pc)
{
    struct lock *lock = lock_of(mutex);

    check_access(mutex, 1, ACCESS_ATOMIC | ACCESS_READ, pc);
    if (lock->owner != (int)me()->id)
        fail(pc, "misuse: thread %u unlocks a mutex that it does not hold", me()->id);
    lock->owner = FREE;
    clock_join(&lock->clock, &me()->clock);
    count_change();
    point_done();
}

int explorer_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr);
int explorer_pthread_mutex_destroy(pthread_mutex_t *mutex);
int explorer_pthread_mutex_lock(pthread_mutex_t *mutex);
int explorer_pthread_mutex_trylock(pthread_mutex_t *mutex);
int explorer_pthread_mutex_unlock(pthread_mutex_t *mutex);
int explorer_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr);
int explorer_pthread_cond_destroy(pthread_cond_t *cond);
int explorer_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int explorer_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *limit);
int explorer_pthread_cond_signal(pthread_cond_t *cond);
int explorer_pthread_cond_broadcast(pthread_cond_t *cond);

int explorer_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr)
{
    (void)attr;
    *lock_of(mutex) = (struct lock){.mutex = mutex, .owner = FREE};
    return 0;
}

/* To destroy it is to write to it: who uses it later, or does not know of it, is found. */
int explorer_pthread_mutex_destroy(pthread_mutex_t *mutex)
{
    if (lock_of(mutex)->owner != FREE)
        fail(CALLER, "misuse: a mutex is destroyed while thread %d holds it", lock_of(mutex)->owner);
    check_access(mutex, sizeof *mutex, ACCESS_WRITE, CALLER);
    return 0;
}

int explorer_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    lock(mutex, CALLER);
    tell(CALLER, "locks the mutex");
    return 0;
}

int explorer_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    point(OP_CHANGE, mutex, NULL, CALLER);
    bool taken = lock_of(mutex)->owner == FREE;
    tell(CALLER, "tries to lock the mutex: %s", taken ? "done" : "it is taken");
    if (taken)
        take(mutex);
    return taken ? 0 : EBUSY;
}

int explorer_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    tell(CALLER, "unlocks the mutex");
    unlock(mutex, CALLER);
    return 0;
}

int explorer_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr)
{
    (void)cond, (void)attr;
    return 0;
}

int explorer_pthread_cond_destroy(pthread_cond_t *cond)
{
    if (sleepers(cond) > 0)
        fail(CALLER, "misuse: a condition variable is destroyed while a thread waits for it");
    return 0;
}

/* true: the deadline came. */
static bool wait(const void *cond, const void *mutex, uint64_t deadline, const void *pc)
{
    bool late = false;

    point(OP_CHANGE, cond, NULL, pc);
    tell(pc, "unlocks the mutex and waits");
    unlock(mutex, pc);
    if (choose_spurious())
        tell(pc, "the wait ends for no reason");
    else
        late = sleep_on(cond, deadline, pc);
    lock(mutex, pc);
    tell(pc, "%s, and has locked the mutex again", late ? "has waited long enough" : "is awake");
    return late;
}

int explorer_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    wait(cond, mutex, NEVER, CALLER);
    return 0;
}

int explorer_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *limit)
{
    uint64_t deadline = (uint64_t)limit->tv_sec * 1000000000 + (uint64_t)limit->tv_nsec;
    return wait(cond, mutex, deadline, CALLER) ? ETIMEDOUT : 0;
}

int explorer_pthread_cond_signal(pthread_cond_t *cond)
{
    point(OP_CHANGE, cond, NULL, CALLER);
    unsigned n = sleepers(cond);
    tell(CALLER, n > 0 ? "signals: one of %u wakes" : "signals: nobody waits", n);
    if (n > 0)
        wake(sleeper(cond, choose(n, n)));
    count_change();
    point_done();
    return 0;
}

int explorer_pthread_cond_broadcast(pthread_cond_t *cond)
{
    point(OP_CHANGE, cond, NULL, CALLER);
    tell(CALLER, "signals to all: %u wake", sleepers(cond));
    while (sleepers(cond) > 0)
        wake(sleeper(cond, 0));
    count_change();
    point_done();
    return 0;
}
