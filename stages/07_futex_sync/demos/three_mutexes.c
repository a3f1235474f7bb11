/* A mutex is a word that says whether it is taken, and a futex to sleep on. Three ways to get it wrong or slow, and why
 * the word needs a third value.
 *
 *   always   free or locked; each unlock wakes. Right, but each unlock is a system call, whether somebody sleeps or
 *   not.
 *   never    free or locked; no unlock wakes. Who sleeps, sleeps for ever.
 *   loses    free, locked, or locked and waited for: but who is woken takes it as merely locked. The other sleepers are
 *            forgotten.
 *   touches  free or locked, with a count of sleepers beside it, which unlock looks at after it has freed the word. By
 *   then
 *            the next holder may have freed the memory.
 *   ours     mutex.c
 *
 * So that it happens each time, and not once in a million, the wrong ones wait at the point where another thread may
 * come in between: an operating system may stop a thread there for as long as it likes. */
#define _GNU_SOURCE /* gettid */
#include "barrier.h"
#include "demo.h"
#include "futex.h"
#include "mutex.h"
#include "semaphore.h"
#include "threads.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FREE, LOCKED, WAITED };
enum { ROUNDS = 10000, PATIENCE_MS = 100 };

/* --- four mutexes. Sequentially consistent throughout: their mistakes are not about orders. --- */

struct wrong {
    _Atomic uint32_t state;
    _Atomic uint32_t sleepers; /* touches */
};

static bool take(struct wrong *m, uint32_t as)
{
    uint32_t expected = FREE;
    return atomic_compare_exchange_strong(&m->state, &expected, as);
}

/* Waits no longer than a demo may: false if it was not woken by then. */
static bool sleep_on(struct wrong *m, uint32_t expected)
{
    return futex_wait(&m->state, expected, in_milliseconds(PATIENCE_MS), SITE("sleep_on")) != -ETIMEDOUT;
}

static bool always_lock(struct wrong *m)
{
    while (!take(m, LOCKED))
        if (!sleep_on(m, LOCKED))
            return false;
    return true;
}

static void always_unlock(struct wrong *m)
{
    atomic_store(&m->state, FREE);
    futex_wake(&m->state, 1, SITE("always_unlock"));
}

static void never_unlock(struct wrong *m)
{
    atomic_store(&m->state, FREE);
}

static bool loses_lock(struct wrong *m)
{
    while (!take(m, LOCKED)) { /* the mistake: after a sleep it must be taken as WAITED */
        uint32_t found = LOCKED;
        atomic_compare_exchange_strong(&m->state, &found, WAITED);
        if (found != FREE && !sleep_on(m, WAITED))
            return false;
    }
    return true;
}

static void loses_unlock(struct wrong *m)
{
    if (atomic_exchange(&m->state, FREE) == WAITED)
        futex_wake(&m->state, 1, SITE("loses_unlock"));
}

static void touches_unlock(struct wrong *m, void (*meanwhile)(void))
{
    atomic_store(&m->state, FREE);
    meanwhile();
    if (atomic_load(&m->sleepers) > 0) /* the mistake: the mutex is somebody else's by now */
        futex_wake(&m->state, 1, SITE("touches_unlock"));
}

/* --- how often each calls the kernel, with nobody else there --- */

static void count_calls(void)
{
    struct wrong always = {FREE, 0};
    struct mutex ours = {0};
    struct futex_calls before = futex_calls();

    for (int i = 0; i < ROUNDS; i++) {
        always_lock(&always);
        always_unlock(&always);
    }
    struct futex_calls between = futex_calls();
    for (int i = 0; i < ROUNDS; i++) {
        mutex_lock(&ours);
        mutex_unlock(&ours);
    }
    struct futex_calls after = futex_calls();
    printf("always:   %d locks and unlocks by one thread alone: %llu system calls\n", ROUNDS,
           (unsigned long long)(between.wakes - before.wakes));
    printf("ours:     %d locks and unlocks by one thread alone: %llu system calls\n", ROUNDS,
           (unsigned long long)(after.wakes - between.wakes));
}

/* --- a holder and two sleepers --- */

struct kind {
    const char *name;
    bool (*lock)(struct wrong *m); /* false: it slept for so long that it will sleep for ever */
    void (*unlock)(struct wrong *m);
    int sleepers;
};

static const struct kind *kind;
static struct wrong contended;
static _Atomic int threads[2];
static atomic_int got_it;

static void *take_turn(void *id)
{
    trace_thread_name("sleeper");
    atomic_store((_Atomic int *)id, gettid());
    if (!kind->lock(&contended))
        return NULL;
    atomic_fetch_add(&got_it, 1);
    kind->unlock(&contended);
    return NULL;
}

static void hold_and_release(const struct kind *k)
{
    pthread_t sleepers[2];

    kind = k;
    contended = (struct wrong){0};
    atomic_store(&got_it, 0);
    kind->lock(&contended);
    for (int i = 0; i < kind->sleepers; i++) {
        atomic_store(&threads[i], 0);
        sleepers[i] = thread_start(take_turn, &threads[i]);
    }
    for (int i = 0; i < kind->sleepers; i++) {
        while (atomic_load(&threads[i]) == 0)
            sched_yield();
        wait_until_asleep(threads[i]);
    }
    kind->unlock(&contended);
    for (int i = 0; i < kind->sleepers; i++)
        thread_join(sleepers[i]);
    printf("%-9s %d slept for it, it was given back, and %d of them got it%s\n", kind->name, kind->sleepers,
           atomic_load(&got_it), atomic_load(&got_it) < kind->sleepers ? "; nobody ever wakes the other" : "");
}

static struct mutex ours;

static bool ours_lock(struct wrong *unused)
{
    (void)unused;
    mutex_lock(&ours);
    return true;
}

static void ours_unlock(struct wrong *unused)
{
    (void)unused;
    mutex_unlock(&ours);
}

/* --- a look at what was given away --- */

static struct wrong *shared; /* alone on a page */
static struct semaphore was_freed, was_taken_away;

static void let_the_other_run(void)
{
    semaphore_post(&was_freed);
    semaphore_wait(&was_taken_away);
}

static void *take_and_unmap(void *unused)
{
    semaphore_wait(&was_freed);
    while (!take(shared, LOCKED))
        ;
    munmap(shared, (size_t)sysconf(_SC_PAGESIZE)); /* it is the last user, and gives the memory back */
    semaphore_post(&was_taken_away);
    return unused;
}

_Noreturn static void touch(void)
{
    struct rlimit no_core = {0, 0};

    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGSEGV, SIG_DFL);
    shared = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(shared == MAP_FAILED ? -errno : 0, "mmap");
    take(shared, LOCKED);
    thread_start(take_and_unmap, NULL);
    touches_unlock(shared, let_the_other_run);
    _exit(0);
}

static void touch_in_child(void)
{
    int status = 0;
    pid_t child = fork();

    must(child < 0 ? -errno : 0, "fork");
    if (child == 0)
        touch();
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
        printf("touches:  unlock freed it, the next holder gave the memory back, and unlock looked again: %s\n",
               strsignal(WTERMSIG(status)));
    else
        printf("touches:  unlock looked at memory that was not its own, and nothing happened, this time\n");
}

int main(int argc, char **argv)
{
    static const struct kind kinds[] = {
        {"never:", always_lock, never_unlock, 1},
        {"loses:", loses_lock, loses_unlock, 2},
        {"ours:", ours_lock, ours_unlock, 2},
    };

    demo_begin(argc, argv,
               "Mutexes that wake always, never or too few, and one that looks behind: why ours has three states.", 0);
    semaphore_init(&was_freed, 0);
    semaphore_init(&was_taken_away, 0);
    count_calls();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        hold_and_release(&kinds[i]);
    touch_in_child();
    return 0;
}
