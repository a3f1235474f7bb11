/* What it costs to give every waiting task a thread: 10,000 of them wait for one signal, first as futures, then as
 * threads with small stacks, then as threads with the default stack. A future that waits is a struct of a few bytes; a
 * thread that waits is a stack that must be big enough for its worst moment, and some memory in the kernel.
 *
 *   thread_per_task [NUMBER]      how many; where the machine allows fewer threads, it says so and goes on with those */
#include "demo.h"
#include "future.h"

#include <pthread.h>
#include <stdbool.h>

struct memory {
    long resident;      /* in kB: what is really there */
    long address_space; /* in kB: what is reserved */
};

/* What this process uses now; zeros if /proc does not say. */
static struct memory memory_now(void)
{
    struct memory now = {0, 0};
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");

    while (status && fgets(line, sizeof line, status)) {
        sscanf(line, "VmRSS: %ld", &now.resident);
        sscanf(line, "VmSize: %ld", &now.address_space);
    }
    if (status)
        fclose(status);
    return now;
}

static void report(const char *what, long number, double milliseconds, struct memory before, struct memory after)
{
    printf("  %-26s %6ld %6.1f ms %6.1f MB %7.1f MB %5.0f bytes\n", what, number, milliseconds,
           (double)(after.resident - before.resident) / 1024,
           (double)(after.address_space - before.address_space) / 1024,
           (double)(after.resident - before.resident) * 1024 / (double)number);
}

/* ---- as futures ---- */

struct waiting {
    struct future base;
    const bool *go; /* input */
};

static enum poll waiting_poll(struct future *f, struct context *cx)
{
    (void)cx;
    return *((struct waiting *)f)->go ? POLL_READY : POLL_PENDING;
}

FUTURE_TYPE(waiting, waiting_poll, NULL);

static long poll_all(struct waiting *all, long number)
{
    struct waker nobody = waker_noop();
    struct context cx = {&nobody};
    long ready = 0;

    for (long i = 0; i < number; i++)
        ready += future_poll(&all[i].base, &cx) == POLL_READY;
    return ready;
}

static bool run_futures(long number)
{
    bool go = false;
    struct memory before = memory_now();
    double began = demo_milliseconds(CLOCK_MONOTONIC);
    struct waiting *all = malloc((size_t)number * sizeof *all);

    if (!all) {
        fprintf(stderr, "thread_per_task: no memory for %ld futures\n", number);
        return false;
    }
    for (long i = 0; i < number; i++) {
        all[i].go = &go;
        future_init(&all[i].base, &waiting_type);
    }
    poll_all(all, number); /* now all of them wait */
    struct memory after = memory_now();
    go = true;
    long ready = poll_all(all, number);
    for (long i = 0; i < number; i++)
        future_drop(&all[i].base);
    report("futures", ready, demo_milliseconds(CLOCK_MONOTONIC) - began, before, after);
    free(all);
    return ready == number;
}

/* ---- as threads ---- */

struct crowd {
    pthread_mutex_t lock;
    long arrived; /* threads that wait, or are just about to */
    bool go;
    pthread_cond_t somebody_arrived;
    pthread_cond_t everybody_go;
};

static void *thread_main(void *arg)
{
    struct crowd *crowd = arg;

    pthread_mutex_lock(&crowd->lock);
    crowd->arrived++;
    pthread_cond_signal(&crowd->somebody_arrived);
    while (!crowd->go)
        pthread_cond_wait(&crowd->everybody_go, &crowd->lock);
    pthread_mutex_unlock(&crowd->lock);
    return NULL;
}

/* As many threads as the machine gives us; says so if that is fewer than number. */
static long start_threads(pthread_t *threads, long number, size_t stack, struct crowd *crowd)
{
    pthread_attr_t attr;
    long started = 0;
    int error = pthread_attr_init(&attr);

    if (!error)
        error = pthread_attr_setstacksize(&attr, stack);
    while (!error && started < number) {
        error = pthread_create(&threads[started], &attr, thread_main, crowd);
        started += !error;
    }
    pthread_attr_destroy(&attr);
    if (error)
        printf("  (Thread %ld was refused: %s. What limits them: ulimit -u and -v, the container,\n"
               "   kernel.threads-max, kernel.pid_max, vm.max_map_count.)\n",
               started + 1, strerror(error));
    return started;
}

static void wait_until_all_wait(struct crowd *crowd, long number)
{
    pthread_mutex_lock(&crowd->lock);
    while (crowd->arrived < number)
        pthread_cond_wait(&crowd->somebody_arrived, &crowd->lock);
    pthread_mutex_unlock(&crowd->lock);
}

static void let_all_go(struct crowd *crowd)
{
    pthread_mutex_lock(&crowd->lock);
    crowd->go = true;
    pthread_cond_broadcast(&crowd->everybody_go);
    pthread_mutex_unlock(&crowd->lock);
}

static bool run_threads(long number, size_t stack)
{
    struct crowd crowd = {PTHREAD_MUTEX_INITIALIZER, 0, false, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER};
    pthread_t *threads = malloc((size_t)number * sizeof *threads);
    char what[64];

    if (!threads) {
        fprintf(stderr, "thread_per_task: no memory for %ld thread numbers\n", number);
        return false;
    }
    struct memory before = memory_now();
    double began = demo_milliseconds(CLOCK_MONOTONIC);
    long started = start_threads(threads, number, stack, &crowd);
    wait_until_all_wait(&crowd, started);
    struct memory after = memory_now();
    let_all_go(&crowd);
    for (long i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    double took = demo_milliseconds(CLOCK_MONOTONIC) - began;
    free(threads);

    snprintf(what, sizeof what, "threads, %zu kB of stack", stack / 1024);
    if (started > 0)
        report(what, started, took, before, after);
    return true;
}

int main(int argc, char **argv)
{
    long number = demo_begin(argc, argv, "Shows what 10,000 waiting tasks cost: as futures, and as threads.", 10000);
    pthread_attr_t attr;
    size_t default_stack = 0;

    if (number < 1 || number > 1000000) {
        fprintf(stderr, "%s: the number must be from 1 to 1000000\n", argv[0]);
        return 2;
    }
    if (pthread_attr_init(&attr) == 0 && pthread_attr_getstacksize(&attr, &default_stack) == 0)
        pthread_attr_destroy(&attr);

    printf("%ld tasks are made, wait for one signal all at the same time, and end.\n\n", number);
    printf("  %-26s %6s %9s %9s %10s %11s\n", "", "number", "time", "memory", "addresses", "memory each");
    if (!run_futures(number) || !run_threads(number, 64 * 1024) || !run_threads(number, default_stack))
        return 1;
    printf("\nThe default stack is %zu kB: address space that is reserved, of which a thread touches a few pages.\n"
           "The kernel's own memory for each thread (another stack, at least) comes on top and is not counted here.\n",
           default_stack / 1024);
    return 0;
}
