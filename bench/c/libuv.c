/* libuv has callbacks and no tasks: only what it does have is measured, timers and an idle loop. */
#include "../subject.h"

#include <stddef.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

static void uv_must(int error, const char *what)
{
    if (error < 0)
        subject_fail(what, -error);
}

struct timer {
    uv_timer_t timer;
    uint64_t began; /* ns; 0: it does not look at the clock */
    uint64_t output;
};

static void fired(uv_timer_t *handle)
{
    struct timer *self = (struct timer *)handle;
    self->output = !self->began || clock_ns() >= self->began + 100000;
}

/* Its timers count milliseconds, so this is the shortest one that is long enough. */
static void timers_run(uv_loop_t *loop, struct work *work, struct timer *timers, bool checked)
{
    work->checksum = 0;
    uint64_t began = clock_ns();
    for (uint64_t i = 0; i < work->n; i++) {
        uv_must(uv_timer_init(loop, &timers[i].timer), "uv_timer_init");
        timers[i].began = checked ? clock_ns() : 0;
        uv_must(uv_timer_start(&timers[i].timer, fired, 1, 0), "uv_timer_start");
    }
    uv_run(loop, UV_RUN_DEFAULT);
    for (uint64_t i = 0; i < work->n; i++) {
        work->checksum += timers[i].output;
        uv_close((uv_handle_t *)&timers[i].timer, NULL);
    }
    uv_run(loop, UV_RUN_DEFAULT); /* ends the closing */
    work->value = (double)(clock_ns() - began) / 1e6;
    work->unit = "ms";
    if (work->checksum != work->n)
        subject_fail("a sleep that ended early", 0);
}

static void sleep_100us(struct work *work)
{
    uv_loop_t loop;
    struct timer *timers = subject_alloc_touched(work->n, sizeof *timers);

    uv_must(uv_loop_init(&loop), "uv_loop_init");
    uv_update_time(&loop);
    timers_run(&loop, work, timers, true);
    uv_update_time(&loop);
    timers_run(&loop, work, timers, false);
    uv_must(uv_loop_close(&loop), "uv_loop_close");
    free(timers);
}

static void mem_sleeping(struct work *work)
{
    uv_loop_t loop;

    uv_must(uv_loop_init(&loop), "uv_loop_init");
    uint64_t before = anonymous_bytes();
    uv_timer_t *timers = subject_alloc(work->n, sizeof *timers);
    for (uint64_t i = 0; i < work->n; i++) {
        uv_must(uv_timer_init(&loop, &timers[i]), "uv_timer_init");
        uv_must(uv_timer_start(&timers[i], fired, 3600 * 1000, 0), "uv_timer_start");
    }
    uv_run(&loop, UV_RUN_NOWAIT);
    work->value = (double)(anonymous_bytes() - before) / (double)work->n;
    work->unit = "bytes/task";
    work->checksum = work->n;
    subject_answer(work);
    _exit(0); /* the timers still run */
}

static void base_memory(struct work *work)
{
    uv_loop_t loop;
    uint64_t before = anonymous_bytes();

    uv_must(uv_loop_init(&loop), "uv_loop_init");
    uv_run(&loop, UV_RUN_DEFAULT);
    usleep(50000);
    work->value = (double)(anonymous_bytes() - before);
    work->unit = "bytes";
    work->checksum = 1;
    uv_must(uv_loop_close(&loop), "uv_loop_close");
}

static void start_and_stop(uint64_t times)
{
    for (uint64_t i = 0; i < times; i++) {
        uv_loop_t loop;
        uv_must(uv_loop_init(&loop), "uv_loop_init");
        uv_must(uv_loop_close(&loop), "uv_loop_close");
    }
}

static void base_time(struct work *work)
{
    start_and_stop(2);
    uint64_t began = clock_ns();
    start_and_stop(work->n);
    work->value = (double)(clock_ns() - began) / 1e3 / (double)work->n;
    work->unit = "us";
    work->checksum = work->n;
}

int main(int argc, char **argv)
{
    static const struct workload workloads[] = {
        {"sleep_100us", sleep_100us},
        {"mem_sleeping", mem_sleeping},
        {"base_memory", base_memory},
        {"base_time", base_time},
        {NULL, NULL},
    };
    return subject_main(argc, argv, workloads);
}
