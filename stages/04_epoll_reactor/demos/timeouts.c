/* Waiting, but not for ever: a timeout that is met, one that is not, and an interval.
 *
 * All of them are the same timer in the reactor. A timeout is a future beside another one: whichever is ready first
 * drops the other. To drop an accept that waits is all it takes to cancel it: its waker is taken out of the reactor. */
#include "demo.h"
#include "executor.h"
#include "must.h"
#include "net.h"
#include "timer.h"

#include <errno.h>

static double began;

static double elapsed(void)
{
    return demo_milliseconds(CLOCK_MONOTONIC) - began;
}

static void a_timeout_that_is_met(struct executor *ex)
{
    struct sleep work = sleep_for(MILLISECONDS(20));
    struct timeout timeout = timeout_after(MILLISECONDS(100), &work.base);

    began = demo_milliseconds(CLOCK_MONOTONIC);
    must(executor_block_on(ex, &timeout), "block_on");
    printf("Work of 20 ms, 100 ms to do it:    %s after %.1f ms. Its timer is taken out of the reactor.\n",
           timeout.output == 0 ? "done" : strerror(-timeout.output), elapsed());
    future_drop(&timeout.base);
}

static void a_timeout_that_is_not(struct executor *ex)
{
    struct socket listener;

    must(listener_open(&listener, 0, 1), "a socket to listen on");
    struct socket_accept accept = socket_accept(&listener);
    struct timeout timeout = timeout_after(MILLISECONDS(50), &accept.base);

    began = demo_milliseconds(CLOCK_MONOTONIC);
    must(executor_block_on(ex, &timeout), "block_on");
    printf("Nobody connects, 50 ms to do it:   %s after %.1f ms. The accept was dropped half-way.\n",
           timeout.output == -ETIMEDOUT ? "given up" : "somebody came", elapsed());
    future_drop(&timeout.base);
    must(socket_close(&listener), "close");
}

/* Five ticks, 20 ms apart. What happens after the second takes 50 ms, and does not give way. */
static void an_interval(struct executor *ex)
{
    struct interval interval = interval_every(MILLISECONDS(20));
    struct timespec busy = {.tv_nsec = 50000000};

    began = demo_milliseconds(CLOCK_MONOTONIC);
    printf("A tick every 20 ms:\n");
    for (int i = 1; i <= 5; i++) {
        struct tick tick = interval_tick(&interval);
        must(executor_block_on(ex, &tick), "block_on");
        printf("  tick after %5.1f ms", elapsed());
        if (tick.output > 1)
            printf(", which stands for %d periods", (int)tick.output);
        future_drop(&tick.base);
        if (i == 2)
            nanosleep(&busy, NULL);
        puts(i == 2 ? "; now the thread is held up for 50 ms" : "");
    }
    printf("The missed ticks came as one, and those after it are in time again.\n");
}

int main(int argc, char **argv)
{
    struct executor ex;

    demo_begin(argc, argv, "A timeout that is met, one that is not, and a tick every 20 ms.", 0);
    must(executor_init(&ex), "executor_init");
    a_timeout_that_is_met(&ex);
    a_timeout_that_is_not(&ex);
    an_interval(&ex);
    executor_destroy(&ex);
    return 0;
}
