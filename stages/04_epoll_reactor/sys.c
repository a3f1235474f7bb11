#define _GNU_SOURCE /* accept4, epoll_pwait2 */
#include "sys.h"

#include "trace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void begin(enum trace_call call, int32_t first, int32_t second, const struct site *at)
{
    TRACE_AT(SYSCALL_BEGIN, 0, call, TRACE_ARGS(first, second), at);
}

/* result: what the call returned, just now: errno still belongs to it. */
static ssize_t end(enum trace_call call, ssize_t result, const struct site *at)
{
    if (result < 0)
        result = -errno;
    TRACE_AT(SYSCALL_END, 0, call, result, at);
    return result;
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int sys_socket(const struct site *at)
{
    begin(TRACE_CALL_SOCKET, AF_INET, SOCK_STREAM, at);
    return (int)end(TRACE_CALL_SOCKET, socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), at);
}

int sys_reuse_address(int fd, const struct site *at)
{
    int on = 1;

    begin(TRACE_CALL_SETSOCKOPT, fd, SO_REUSEADDR, at);
    return (int)end(TRACE_CALL_SETSOCKOPT, setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), at);
}

int sys_bind_loopback(int fd, uint16_t port, const struct site *at)
{
    struct sockaddr_in address = loopback(port);

    begin(TRACE_CALL_BIND, fd, port, at);
    return (int)end(TRACE_CALL_BIND, bind(fd, (struct sockaddr *)&address, sizeof address), at);
}

int sys_local_port(int fd, const struct site *at)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    begin(TRACE_CALL_GETSOCKNAME, fd, 0, at);
    int error = (int)end(TRACE_CALL_GETSOCKNAME, getsockname(fd, (struct sockaddr *)&address, &size), at);
    return error ? error : ntohs(address.sin_port);
}

int sys_listen(int fd, int backlog, const struct site *at)
{
    begin(TRACE_CALL_LISTEN, fd, backlog, at);
    return (int)end(TRACE_CALL_LISTEN, listen(fd, backlog), at);
}

int sys_accept(int fd, const struct site *at)
{
    begin(TRACE_CALL_ACCEPT, fd, 0, at);
    return (int)end(TRACE_CALL_ACCEPT, accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), at);
}

int sys_connect_loopback(int fd, uint16_t port, const struct site *at)
{
    struct sockaddr_in address = loopback(port);

    begin(TRACE_CALL_CONNECT, fd, port, at);
    return (int)end(TRACE_CALL_CONNECT, connect(fd, (struct sockaddr *)&address, sizeof address), at);
}

int sys_socket_error(int fd, const struct site *at)
{
    int error = 0;
    socklen_t size = sizeof error;

    begin(TRACE_CALL_GETSOCKOPT, fd, SO_ERROR, at);
    int failed = (int)end(TRACE_CALL_GETSOCKOPT, getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), at);
    return failed ? failed : -error;
}

ssize_t sys_recv(int fd, void *buffer, size_t room, const struct site *at)
{
    begin(TRACE_CALL_RECV, fd, (int32_t)room, at);
    return end(TRACE_CALL_RECV, recv(fd, buffer, room, 0), at);
}

ssize_t sys_send(int fd, const void *bytes, size_t count, const struct site *at)
{
    begin(TRACE_CALL_SEND, fd, (int32_t)count, at);
    return end(TRACE_CALL_SEND, send(fd, bytes, count, MSG_NOSIGNAL), at);
}

int sys_shutdown_write(int fd, const struct site *at)
{
    begin(TRACE_CALL_SHUTDOWN, fd, SHUT_WR, at);
    return (int)end(TRACE_CALL_SHUTDOWN, shutdown(fd, SHUT_WR), at);
}

int sys_close(int fd, const struct site *at)
{
    begin(TRACE_CALL_CLOSE, fd, 0, at);
    return (int)end(TRACE_CALL_CLOSE, close(fd), at);
}

int sys_epoll_create(const struct site *at)
{
    begin(TRACE_CALL_EPOLL_CREATE, 0, 0, at);
    return (int)end(TRACE_CALL_EPOLL_CREATE, epoll_create1(EPOLL_CLOEXEC), at);
}

int sys_epoll_ctl(int epoll_fd, int operation, int fd, uint32_t events, uint64_t data, const struct site *at)
{
    struct epoll_event event = {.events = events, .data.u64 = data};

    begin(TRACE_CALL_EPOLL_CTL, fd, operation, at);
    return (int)end(TRACE_CALL_EPOLL_CTL, epoll_ctl(epoll_fd, operation, fd, &event), at);
}

int sys_eventfd(const struct site *at)
{
    begin(TRACE_CALL_EVENTFD, 0, 0, at);
    return (int)end(TRACE_CALL_EVENTFD, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), at);
}

int sys_eventfd_add(int fd, const struct site *at)
{
    uint64_t one = 1;

    begin(TRACE_CALL_WRITE, fd, sizeof one, at);
    ssize_t result = end(TRACE_CALL_WRITE, write(fd, &one, sizeof one), at);
    return result < 0 ? (int)result : 0;
}

/* For a kernel before 5.11: whole milliseconds, rounded up, so that nothing ends early. */
static int wait_in_milliseconds(int epoll_fd, struct epoll_event *events, int room, int64_t timeout)
{
    int64_t milliseconds = timeout / 1000000 + (timeout % 1000000 > 0);
    return epoll_wait(epoll_fd, events, room, milliseconds < INT32_MAX ? (int)milliseconds : INT32_MAX);
}

static int wait_for_events(int epoll_fd, struct epoll_event *events, int room, int64_t timeout)
{
    struct timespec limit = {(time_t)(timeout / 1000000000), (long)(timeout % 1000000000)};

    if (timeout <= 0)
        return epoll_wait(epoll_fd, events, room, timeout < 0 ? -1 : 0);
    int count = epoll_pwait2(epoll_fd, events, room, &limit, NULL);
    bool unknown = count < 0 && (errno == ENOSYS || errno == EPERM); /* EPERM: older containers refuse new calls so */
    return unknown ? wait_in_milliseconds(epoll_fd, events, room, timeout) : count;
}

int sys_epoll_wait(int epoll_fd, struct epoll_event *events, int room, int64_t timeout, const struct site *at)
{
    int64_t microseconds = timeout / 1000 < INT32_MAX ? timeout / 1000 : INT32_MAX;

    begin(TRACE_CALL_EPOLL_WAIT, epoll_fd, timeout < 0 ? -1 : (int32_t)microseconds, at);
    return (int)end(TRACE_CALL_EPOLL_WAIT, wait_for_events(epoll_fd, events, room, timeout), at);
}
