/* What it costs to learn that one descriptor is ready, by select, poll or epoll: the name of the program says which. */
#include "../subject.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <unistd.h>

enum { ROUNDS = 101 };

/* The descriptors that are watched, in the form that each of the three wants. */
struct watched {
    int count, highest;
    struct pollfd *polled;
    fd_set selected;
    int epoll;
};

static int wait_by_select(struct watched *w)
{
    fd_set ready = w->selected; /* select overwrites what it is given */

    if (select(w->highest + 1, &ready, NULL, NULL, NULL) < 1)
        return -1;
    for (int i = 0; i < w->count; i++)
        if (FD_ISSET(w->polled[i].fd, &ready))
            return w->polled[i].fd;
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

static int (*how)(struct watched *);

static void watch_one_more(struct watched *w)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    must(fd < 0 ? -errno : 0, "eventfd");
    if (how == wait_by_select && fd >= FD_SETSIZE)
        subject_fail("select has no bit for this descriptor", EINVAL);
    if (fd < FD_SETSIZE)
        FD_SET(fd, &w->selected);
    must(epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno, "epoll_ctl");
    w->polled[w->count++] = (struct pollfd){fd, POLLIN, 0};
    w->highest = fd;
}

/* Makes the descriptor ready, and sees how long it takes to be told so. ns */
static uint64_t round_time(struct watched *w, int fd)
{
    uint64_t value = 1;

    must(write(fd, &value, sizeof value) == sizeof value ? 0 : -errno, "write");
    uint64_t began = clock_ns();
    int ready = how(w);
    uint64_t took = clock_ns() - began;
    must(ready == fd ? 0 : -EIO, "the wrong descriptor is ready");
    must(read(fd, &value, sizeof value) == sizeof value ? 0 : -errno, "read");
    return took;
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void select_poll_epoll(struct work *work)
{
    struct watched w = {.epoll = epoll_create1(EPOLL_CLOEXEC)};
    struct rlimit limit;
    uint64_t times[ROUNDS];
    unsigned pick = 1;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    w.polled = subject_alloc(work->n, sizeof *w.polled);
    while ((uint64_t)w.count < work->n)
        watch_one_more(&w);
    for (int i = 0; i < ROUNDS; i++) {
        pick = pick * 1103515245 + 12345;
        times[i] = round_time(&w, w.polled[(pick >> 8) % work->n].fd);
    }
    qsort(times, ROUNDS, sizeof times[0], compare);
    work->value = (double)times[ROUNDS / 2];
    work->unit = "ns/call";
    work->checksum = work->n;
    free(w.polled);
}

int main(int argc, char **argv)
{
    static const struct workload workloads[] = {{"select_poll_epoll", select_poll_epoll}, {NULL, NULL}};
    const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];

    how = strcmp(name, "select") == 0 ? wait_by_select : strcmp(name, "poll") == 0 ? wait_by_poll : wait_by_epoll;
    return subject_main(argc, argv, workloads);
}
