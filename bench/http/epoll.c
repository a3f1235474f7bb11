/* The limit for a server: one thread, one epoll set, one loop, and for each connection only where it is. */
#define _GNU_SOURCE /* accept4 */
#include "../subject.h"
#include "answer.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, REQUEST_ROOM = 4096 };

struct connection {
    int fd;
    struct requests requests;
    unsigned due; /* answers to send */
    size_t sent;  /* of the first of them */
};

/* Sends what is due. Returns whether the connection is still good. */
static bool connection_write(struct connection *self)
{
    while (self->due > 0) {
        ssize_t count = send(self->fd, answer() + self->sent, answer_size() - self->sent, MSG_NOSIGNAL);
        if (count < 0)
            return errno == EAGAIN;
        self->sent += (size_t)count;
        if (self->sent == answer_size()) {
            self->sent = 0;
            self->due--;
        }
    }
    return true;
}

/* Reads and answers until nothing is there, or nothing more can be sent. A read that leaves room has taken all there was,
 * and what comes later is an event of its own; only where the peer has closed already, nothing will come, and the end is
 * still to be read. Returns whether the connection is still good. */
static bool connection_serve(struct connection *self, bool peer_closed)
{
    char buffer[REQUEST_ROOM];
    ssize_t count = REQUEST_ROOM;

    while (connection_write(self) && self->due == 0) {
        if (count < REQUEST_ROOM && !peer_closed)
            return true;
        count = recv(self->fd, buffer, sizeof buffer, 0);
        if (count <= 0)
            return count < 0 && errno == EAGAIN;
        self->due = requests_in(&self->requests, buffer, (size_t)count);
    }
    return self->due > 0;
}

static void watch(int epoll, int fd, uint32_t events, void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno, "epoll_ctl");
}

static void accept_all(int epoll, int listener)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *connection = subject_alloc(1, sizeof *connection);
        *connection = (struct connection){.fd = fd};
        watch(epoll, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, connection);
    }
    must(errno == EAGAIN ? 0 : -errno, "accept");
}

static void serve(void)
{
    struct epoll_event events[EVENTS];
    int epoll = epoll_create1(EPOLL_CLOEXEC), listener = server_listen(SOCK_NONBLOCK);

    must(epoll < 0 ? -errno : 0, "epoll_create1");
    watch(epoll, listener, EPOLLIN | EPOLLET, NULL);
    server_announce(server_port(listener));
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (!connection) {
                accept_all(epoll, listener);
            } else if (!connection_serve(connection, events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))) {
                close(connection->fd);
                free(connection);
            }
        }
    }
}

static void http(struct work *work)
{
    (void)work;
    server_begin();
    serve();
}

int main(int argc, char **argv)
{
    static const struct workload workloads[] = {{"http", http}, {NULL, NULL}};
    return subject_main(argc, argv, workloads);
}
