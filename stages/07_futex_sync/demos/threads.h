/* What the demos about threads share: starting them, and seeing that one sleeps. */
#ifndef THREADS_H
#define THREADS_H

#include "must.h"
#include "trace.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static inline pthread_t thread_start(void *(*run)(void *arg), void *arg)
{
    pthread_t thread;
    must(-pthread_create(&thread, NULL, run, arg), "pthread_create");
    return thread;
}

static inline void thread_join(pthread_t thread)
{
    must(-pthread_join(thread, NULL), "pthread_join");
}

/* A moment so many ms from now, as the waits with a deadline want it. */
static inline uint64_t in_milliseconds(uint64_t milliseconds)
{
    return trace_now() + milliseconds * 1000000;
}

static inline void pause_ms(long milliseconds)
{
    struct timespec span = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&span, NULL);
}

/* Returns when the thread with this number at the OS sleeps in the kernel, or has ended. */
static inline void wait_until_asleep(int thread)
{
    char path[64], text[256] = "", *end = NULL;

    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
    while (!end || end[2] != 'S') {
        FILE *file = fopen(path, "re");
        if (!file)
            return; /* it has ended */
        if (fgets(text, sizeof text, file))
            end = strrchr(text, ')'); /* behind the name comes the state */
        fclose(file);
        sched_yield();
    }
}

#endif
