/* The system calls that runtimes sleep in: futex, and epoll with eventfd.
 *
 * The kernel orders what threads do in it. That a nudge through an eventfd has happened before the wait that it ends is
 * what every program relies on, so it is so here. That a futex wake has happened before the return of the wait is not
 * promised: whoever wakes must have ordered the two by an atomic operation of his own. */
#define _GNU_SOURCE
#include "core.h"
#include "explore.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_FD = 3, MAX_FDS = 32, MAX_WAITERS = MAX_THREADS };

enum fd_kind { FD_NONE, FD_EPOLL, FD_EVENT, FD_SOURCE };

struct fd {
    enum fd_kind kind;
    struct clock clock; /* what who is told of it learns */
    bool readable;

    /* registered with an epoll descriptor */
    int epoll; /* 0: no */
    struct epoll_event event;
    bool reported; /* since the last change: edge-triggered descriptors are named once */
};

/* Of this run. */
static struct fd fds[MAX_FDS];
static uint32_t futex_bits[MAX_THREADS]; /* which wakes may wake the thread that sleeps on a futex */

static int error(int number)
{
    errno = number;
    return -1;
}

/* ---- futex ---- */

long explorer_syscall(long number, ...);
uint64_t explorer_trace_now(void);

uint64_t explorer_trace_now(void)
{
    return clock_now();
}

static uint64_t deadline_of(const struct timespec *limit)
{
    return limit ? (uint64_t)limit->tv_sec * 1000000000 + (uint64_t)limit->tv_nsec : NEVER;
}

static long futex_wait(const uint32_t *word, uint32_t expected, uint64_t deadline, uint32_t bits, const void *pc)
{
    point(OP_CHANGE, word, NULL, pc);
    check_access(word, sizeof *word, ACCESS_ATOMIC | ACCESS_READ, pc);
    if (value_read(word, sizeof *word) != expected) {
        tell(pc, "futex_wait: the word is not %u: no sleep", expected);
        point_done();
        return error(EAGAIN);
    }
    if (choose_spurious()) {
        tell(pc, "futex_wait: ends for no reason");
        point_done();
        return 0;
    }
    tell(pc, "futex_wait: sleeps");
    futex_bits[me()->id] = bits;
    bool late = sleep_on(word, deadline, pc);
    tell(pc, late ? "futex_wait: the deadline has come" : "futex_wait: awake");
    point_done();
    return late ? error(ETIMEDOUT) : 0;
}

/* Wakes one, chosen among those whom the bits allow. */
static bool futex_wake_one(const uint32_t *word, uint32_t bits)
{
    struct thread *can[MAX_WAITERS];
    unsigned n = 0;

    for (unsigned i = 0; i < sleepers(word); i++)
        if (futex_bits[sleeper(word, i)->id] & bits)
            can[n++] = sleeper(word, i);
    if (n > 0)
        wake(can[choose(n, n)]);
    return n > 0;
}

/* The address is used as a number only. */
static long futex_wake(const uint32_t *word, int count, uint32_t bits, const void *pc)
{
    int woken = 0;

    point(OP_CHANGE, word, NULL, pc);
    while (woken < count && futex_wake_one(word, bits))
        woken++;
    tell(pc, "futex_wake: %d woken", woken);
    if (woken > 0)
        count_change();
    point_done();
    return woken;
}

long explorer_syscall(long number, ...)
{
    va_list args;

    va_start(args, number);
    const uint32_t *word = va_arg(args, const uint32_t *);
    int operation = va_arg(args, int) & ~FUTEX_PRIVATE_FLAG;
    uint32_t value = va_arg(args, uint32_t);
    const struct timespec *limit = va_arg(args, const struct timespec *);
    (void)va_arg(args, void *);
    uint32_t bits = va_arg(args, uint32_t);
    va_end(args);

    if (number != SYS_futex)
        fail(CALLER, "system call %ld is not modelled", number);
    switch (operation) {
    case FUTEX_WAIT_BITSET:
        return futex_wait(word, value, deadline_of(limit), bits, CALLER);
    case FUTEX_WAKE_BITSET:
        return futex_wake(word, (int)value, bits, CALLER);
    case FUTEX_WAKE:
        return futex_wake(word, (int)value, FUTEX_BITSET_MATCH_ANY, CALLER);
    default:
        fail(CALLER, "futex operation %d is not modelled", operation);
    }
}

/* ---- descriptors ---- */

int explorer_epoll_create1(int flags);
int explorer_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int explorer_epoll_wait(int epoll, struct epoll_event *events, int room, int milliseconds);
int explorer_epoll_pwait2(int epoll, struct epoll_event *events, int room, const struct timespec *limit,
                          const sigset_t *mask);
int explorer_eventfd(unsigned value, int flags);
ssize_t explorer_write(int fd, const void *bytes, size_t count);
ssize_t explorer_read(int fd, void *bytes, size_t count);
ssize_t explorer_recv(int fd, void *bytes, size_t count, int flags);
int explorer_close(int fd);

/* The lowest free number, as the kernel does it. */
static int fd_new(enum fd_kind kind)
{
    int fd = FIRST_FD;

    while (fds[fd].kind != FD_NONE)
        if (++fd == MAX_FDS)
            fail(NULL, "a model has at most %d descriptors", MAX_FDS - FIRST_FD);
    fds[fd] = (struct fd){.kind = kind};
    return fd;
}

static bool is_open(int fd)
{
    return fd >= FIRST_FD && fd < MAX_FDS && fds[fd].kind != FD_NONE;
}

static void enter_fd(int fd, const void *pc)
{
    point(OP_CHANGE, fds, NULL, pc);
    if (!is_open(fd))
        fail(pc, "misuse: descriptor %d is not open", fd);
}

static bool is_to_report(int fd)
{
    return is_open(fd) && fds[fd].readable && !fds[fd].reported && fds[fd].event.events & EPOLLIN;
}

static bool has_report(int epoll)
{
    for (int fd = FIRST_FD; fd < MAX_FDS; fd++)
        if (fds[fd].epoll == epoll && is_to_report(fd))
            return true;
    return false;
}

/* The kernel wakes one of those who wait with it, for each thing that happens. */
static void wake_waiter(int epoll)
{
    unsigned n = sleepers(&fds[epoll]);

    if (n > 0 && has_report(epoll))
        wake(sleeper(&fds[epoll], choose(n, n)));
}

/* A set of descriptors is a descriptor as well, and may be in another set: then that has something to report, too. */
static void make_readable(int fd)
{
    for (; fd; fd = fds[fd].epoll) {
        fds[fd].readable = true;
        fds[fd].reported = false;
        clock_join(&fds[fd].clock, &me()->clock);
        if (fds[fd].epoll)
            wake_waiter(fds[fd].epoll);
    }
    count_change();
}

int explorer_epoll_create1(int flags)
{
    (void)flags;
    return fd_new(FD_EPOLL);
}

int explorer_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    enter_fd(fd, CALLER);
    fds[fd].epoll = operation == EPOLL_CTL_DEL ? 0 : epoll;
    if (operation != EPOLL_CTL_DEL)
        fds[fd].event = *event;
    fds[fd].reported = false;
    tell(CALLER, "epoll_ctl: descriptor %d", fd);
    if (is_to_report(fd))
        make_readable(fd);
    count_change();
    point_done();
    return 0;
}

/* Names what there is to report. If there is more than room for it, that is for the next one who waits. */
static int collect(int epoll, struct epoll_event *events, int room)
{
    int n = 0;

    for (int fd = FIRST_FD; fd < MAX_FDS && n < room; fd++)
        if (fds[fd].epoll == epoll && is_to_report(fd)) {
            fds[fd].reported = true;
            clock_join(&me()->clock, &fds[fd].clock);
            events[n++] = (struct epoll_event){.events = EPOLLIN, .data = fds[fd].event.data};
        }
    wake_waiter(epoll);
    return n;
}

static int epoll_wait_until(int epoll, struct epoll_event *events, int room, uint64_t deadline, const void *pc)
{
    bool late = deadline == 0;

    enter_fd(epoll, pc);
    if (!late && !has_report(epoll) && choose_spurious()) {
        tell(pc, "epoll_wait: interrupted");
        point_done();
        return error(EINTR);
    }
    while (!late && !has_report(epoll)) {
        tell(pc, "epoll_wait: sleeps");
        late = sleep_on(&fds[epoll], deadline, pc);
    }
    int n = collect(epoll, events, room);
    tell(pc, "epoll_wait: %d ready", n);
    point_done();
    return n;
}

int explorer_epoll_wait(int epoll, struct epoll_event *events, int room, int milliseconds)
{
    uint64_t deadline = milliseconds < 0    ? NEVER
                        : milliseconds == 0 ? 0
                                            : clock_now() + (uint64_t)milliseconds * 1000000;
    return epoll_wait_until(epoll, events, room, deadline, CALLER);
}

int explorer_epoll_pwait2(int epoll, struct epoll_event *events, int room, const struct timespec *limit,
                          const sigset_t *mask)
{
    (void)mask;
    return epoll_wait_until(epoll, events, room, limit ? clock_now() + deadline_of(limit) : NEVER, CALLER);
}

int explorer_eventfd(unsigned value, int flags)
{
    (void)value, (void)flags;
    return fd_new(FD_EVENT);
}

ssize_t explorer_write(int fd, const void *bytes, size_t count)
{
    (void)bytes;
    enter_fd(fd, CALLER);
    make_readable(fd);
    tell(CALLER, "write to descriptor %d", fd);
    point_done();
    return (ssize_t)count;
}

static ssize_t read_fd(int fd, size_t count, const void *pc)
{
    enter_fd(fd, pc);
    bool readable = fds[fd].readable;
    fds[fd].readable = false;
    clock_join(&me()->clock, &fds[fd].clock);
    tell(pc, "read from descriptor %d: %s", fd, readable ? "done" : "would block");
    count_change();
    point_done();
    return readable ? (ssize_t)count : error(EAGAIN);
}

ssize_t explorer_read(int fd, void *bytes, size_t count)
{
    (void)bytes;
    return read_fd(fd, count, CALLER);
}

ssize_t explorer_recv(int fd, void *bytes, size_t count, int flags)
{
    (void)bytes, (void)flags;
    return read_fd(fd, count, CALLER);
}

int explorer_close(int fd)
{
    enter_fd(fd, CALLER);
    fds[fd] = (struct fd){.kind = FD_NONE};
    tell(CALLER, "close of descriptor %d", fd);
    count_change();
    point_done();
    return 0;
}

int explorer_source(void)
{
    return fd_new(FD_SOURCE);
}

void explorer_source_ready(int fd)
{
    enter_fd(fd, CALLER);
    make_readable(fd);
    tell(CALLER, "descriptor %d becomes readable", fd);
    point_done();
}
