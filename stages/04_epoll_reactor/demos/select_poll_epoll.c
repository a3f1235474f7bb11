/* What it costs to learn that one descriptor is ready, by how many are watched.
 *
 * select and poll are given the whole list at each call: the kernel walks through it, and the caller walks through the
 * answer. epoll is told about each descriptor once; a descriptor that becomes ready enters a list, and that list is all
 * that epoll_wait returns. Measured is one call and the search for the ready descriptor in its answer; the median of
 * many rounds, in each of which another descriptor is ready. */
#include "demo.h"
#include "must.h"
#include "trace.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <unistd.h>

enum { ROUNDS = 101, MOST = 10000 };

/* The descriptors that are watched, in the form that each of the three wants. */
struct watched {
    int count;
    int fds[MOST];
    struct pollfd polled[MOST];
    fd_set selected;
    int highest;
    int epoll;
};

/* Each waits until one descriptor is ready, and returns it. */

static int wait_by_select(struct watched *w)
{
    fd_set ready = w->selected; /* select overwrites what it is given */

    if (select(w->highest + 1, &ready, NULL, NULL, NULL) < 1)
        return -1;
    for (int i = 0; i < w->count; i++)
        if (FD_ISSET(w->fds[i], &ready))
            return w->fds[i];
    return -1;
}

static int wait_by_poll(struct watched *w)
{
    if (poll(w->polled, (nfds_t)w->count, -1) < 1)
        return -1;
    for (int i = 0; i < w->count; i++)
        if (w->polled[i].revents)
            return w->polled[i].fd;
    return -1;
}

static int wait_by_epoll(struct watched *w)
{
    struct epoll_event event;
    return epoll_wait(w->epoll, &event, 1, -1) < 1 ? -1 : event.data.fd;
}

/* --- measuring --- */

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* Makes the descriptor ready, and sees how long it takes to be told so. ns */
static uint64_t round_time(struct watched *w, int (*wait)(struct watched *), int fd)
{
    uint64_t value = 1;

    must(write(fd, &value, sizeof value) == sizeof value ? 0 : -errno, "write");
    uint64_t began = trace_now();
    int ready = wait(w);
    uint64_t took = trace_now() - began;
    must(ready == fd ? 0 : -EIO, "the wrong descriptor is ready");
    must(read(fd, &value, sizeof value) == sizeof value ? 0 : -errno, "read");
    return took;
}

/* The median, in ns. */
static uint64_t measure(struct watched *w, int (*wait)(struct watched *))
{
    uint64_t times[ROUNDS];
    unsigned pick = 1;

    for (int i = 0; i < ROUNDS; i++) {
        pick = pick * 1103515245 + 12345;
        times[i] = round_time(w, wait, w->fds[(pick >> 8) % (unsigned)w->count]);
    }
    qsort(times, ROUNDS, sizeof times[0], compare);
    return times[ROUNDS / 2];
}

/* --- the table --- */

static void watch_one_more(struct watched *w)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    must(fd < 0 ? -errno : 0, "eventfd");
    must(epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno, "epoll_ctl");
    w->fds[w->count] = fd;
    w->polled[w->count] = (struct pollfd){fd, POLLIN, 0};
    if (fd < FD_SETSIZE)
        FD_SET(fd, &w->selected);
    w->highest = fd;
    w->count++;
}

static void print_row(struct watched *w)
{
    printf("%9d", w->count);
    if (w->highest < FD_SETSIZE) {
        uint64_t ns = measure(w, wait_by_select);
        trace_note("select, ns", ns);
        printf("%14.1f", (double)ns / 1e3);
    } else {
        printf("%14s", "impossible");
    }
    uint64_t poll_ns = measure(w, wait_by_poll), epoll_ns = measure(w, wait_by_epoll);
    trace_note("poll, ns", poll_ns);
    trace_note("epoll, ns", epoll_ns);
    printf("%14.1f%14.1f\n", (double)poll_ns / 1e3, (double)epoll_ns / 1e3);
}

/* How many descriptors we may watch, once we have asked for all that we can get. */
static int most_watched(void)
{
    struct rlimit limit;

    must(getrlimit(RLIMIT_NOFILE, &limit) == 0 ? 0 : -errno, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur < MOST + 16 ? (int)limit.rlim_cur - 16 : MOST;
}

int main(int argc, char **argv)
{
    static struct watched w;

    demo_begin(argc, argv, "What select, poll and epoll cost, by how many descriptors are watched.", 0);
    int most = most_watched();
    if (most < MOST)
        printf("The limit on descriptors (ulimit -Hn) allows no more than %d.\n", most);
    w.epoll = epoll_create1(EPOLL_CLOEXEC);
    must(w.epoll < 0 ? -errno : 0, "epoll_create1");
    printf("One descriptor is ready. Time to learn which, in us (median of %d rounds):\n\n", ROUNDS);
    printf("%9s%14s%14s%14s\n", "watched", "select", "poll", "epoll");
    for (int count = 10; count <= most; count *= 10) {
        while (w.count < count)
            watch_one_more(&w);
        print_row(&w);
    }
    printf("\nselect cannot watch a descriptor beyond %d: its set has no bit for it.\n", FD_SETSIZE - 1);
    return 0;
}
