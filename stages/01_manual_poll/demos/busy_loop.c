/* What it costs to wait by asking again and again.
 *
 * A future waits for a timer of the kernel. Nobody tells us when the timer fires, so a loop can only poll. It polls
 * without a pause, and burns as much CPU time as it waits. Or it naps between polls, and then notices too late. There is
 * no good nap: that is why somebody has to tell us when to poll (stage 03), and the kernel is who knows (stage 04). */
#include "demo.h"
#include "future.h"

#include <errno.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct alarm_clock {
    struct future base;
    int milliseconds; /* input */
    int fd;           /* a local: the kernel's timer */
    int error;        /* output: 0 or -errno */
    enum { ALARM_START, ALARM_SET } state;
};

/* 0, or -errno */
static int alarm_set(struct alarm_clock *self)
{
    struct itimerspec when = {.it_value.tv_sec = self->milliseconds / 1000,
                              .it_value.tv_nsec = self->milliseconds % 1000 * 1000000L};

    self->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (self->fd == -1)
        return -errno;
    return timerfd_settime(self->fd, 0, &when, NULL) == 0 ? 0 : -errno;
}

static enum poll alarm_ready(struct alarm_clock *self, int error)
{
    self->error = error;
    if (self->fd != -1)
        close(self->fd);
    return POLL_READY;
}

static enum poll alarm_poll(struct future *f, struct context *cx)
{
    struct alarm_clock *self = (struct alarm_clock *)f;
    uint64_t fired;
    int error;

    (void)cx; /* the kernel could wake us; stage 04 asks it to */
    switch (self->state) {
    case ALARM_START:
        error = alarm_set(self);
        if (error)
            return alarm_ready(self, error);
        self->state = ALARM_SET;
        __attribute__((fallthrough));
    case ALARM_SET:
        if (read(self->fd, &fired, sizeof fired) == -1 && (errno == EAGAIN || errno == EINTR))
            return POLL_PENDING; /* a read that would block is no error: it means "not yet" */
        return alarm_ready(self, 0);
    }
    __builtin_unreachable();
}

static void alarm_drop(struct future *f)
{
    struct alarm_clock *self = (struct alarm_clock *)f;
    if (self->base.phase == FUTURE_STARTED)
        close(self->fd);
}

FUTURE_TYPE(alarm_clock, alarm_poll, alarm_drop);

static struct alarm_clock alarm_clock(int milliseconds)
{
    struct alarm_clock self = {.milliseconds = milliseconds, .fd = -1, .state = ALARM_START};
    future_init(&self.base, &alarm_clock_type);
    return self;
}

/* Polls until the alarm goes off, napping so long in between, and says what that cost. 0, or -errno */
static int wait_for(int milliseconds, int nap_milliseconds)
{
    struct waker nobody = waker_noop();
    struct context cx = {&nobody};
    struct timespec nap = {.tv_nsec = nap_milliseconds * 1000000L};
    struct alarm_clock a = alarm_clock(milliseconds);
    long polls = 1;

    double began = demo_milliseconds(CLOCK_MONOTONIC), cpu_began = demo_milliseconds(CLOCK_PROCESS_CPUTIME_ID);
    for (; future_poll(&a.base, &cx) == POLL_PENDING; polls++)
        if (nap_milliseconds)
            nanosleep(&nap, NULL);
    double took = demo_milliseconds(CLOCK_MONOTONIC) - began;
    double cpu = demo_milliseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_began;

    future_drop(&a.base);
    if (a.error)
        return a.error;
    printf("  %ld polls, all but the last for nothing.\n", polls);
    printf("  Waited for %d ms, noticed after %.1f ms; CPU time burnt: %.1f ms (%.0f %%).\n\n", milliseconds, took, cpu,
           100 * cpu / took);
    return 0;
}

int main(int argc, char **argv)
{
    demo_begin(argc, argv, "Shows what waiting costs when all one can do is poll.", 0);

    printf("Polling without a pause:\n");
    int error = wait_for(100, 0);
    if (!error) {
        printf("Napping for 30 ms between polls:\n");
        error = wait_for(100, 30);
    }
    if (error) {
        fprintf(stderr, "busy_loop: the timer: %s\n", strerror(-error));
        return 1;
    }
    printf(
        "Without a pause a whole core is lost to one wait. With naps it is late.\nPolling alone cannot do better.\n");
    return 0;
}
