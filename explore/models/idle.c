/* The word of the idle workers by itself: two workers search, sleep and are called; a third thread makes work. It calls
 * only when the word says so, and then one nudge must be enough for the work to be taken.
 */
#include "explore.h"

#include "idle.h"

#include <pthread.h>
#include <sched.h>

enum { WORKERS = 2 };

static struct idle idle;
static atomic_uint work, taken;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t nudged = PTHREAD_COND_INITIALIZER;
static unsigned nudges;

static void nudge(void)
{
    pthread_mutex_lock(&lock);
    nudges++;
    pthread_cond_signal(&nudged);
    pthread_mutex_unlock(&lock);
}

static void wait_for_nudge(void)
{
    pthread_mutex_lock(&lock);
    while (nudges == 0)
        pthread_cond_wait(&nudged, &lock);
    nudges--;
    pthread_mutex_unlock(&lock);
}

static bool has_work(void)
{
    return atomic_load_explicit(&work, memory_order_acquire) != 0;
}

static bool take(void)
{
    unsigned expected = 1;
    bool got = has_work() &&
               atomic_compare_exchange_strong_explicit(&work, &expected, 0, memory_order_acquire, memory_order_relaxed);
    if (got)
        atomic_store_explicit(&taken, 1, memory_order_release);
    return got;
}

static bool is_over(void)
{
    return atomic_load_explicit(&taken, memory_order_acquire);
}

/* As in executor.c. Who has taken the work lets the other one go home, as runtime_stop does. */
static void *worker(void *arg)
{
    bool searching = false;

    while (!is_over()) {
        searching = searching || idle_search(&idle, 1);
        if (searching && take())
            break;
        idle_sleep(&idle, searching);
        if (!has_work() && !is_over())
            wait_for_nudge();
        else
            sched_yield(); /* another one searches already, and has not come to the work */
        searching = idle_wake(&idle);
    }
    if (searching)
        idle_found(&idle);
    nudge();
    return arg;
}

void model_run(void)
{
    pthread_t threads[WORKERS];

    idle_init(&idle);
    for (int i = 0; i < WORKERS; i++)
        pthread_create(&threads[i], NULL, worker, NULL);
    atomic_store_explicit(&work, 1, memory_order_release);
    if (idle_call(&idle))
        nudge();
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
}
