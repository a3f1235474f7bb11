/* The system calls that the runtime makes, each recorded before and after.
 *
 * They return what the call returns, or -errno instead of -1. `at` is the line that asked for the call. Descriptors
 * that they open are closed on exec; sockets never block. */
#ifndef SYS_H
#define SYS_H

#include "site.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

int sys_socket(const struct site *at); /* TCP over IPv4 */
int sys_reuse_address(int fd, const struct site *at);
int sys_bind_loopback(int fd, uint16_t port, const struct site *at);
int sys_local_port(int fd, const struct site *at);
int sys_listen(int fd, int backlog, const struct site *at);
int sys_accept(int fd, const struct site *at);
int sys_connect_loopback(int fd, uint16_t port, const struct site *at);
int sys_socket_error(int fd, const struct site *at); /* 0, or the -errno that a connect ended with */
ssize_t sys_recv(int fd, void *buffer, size_t room, const struct site *at);
ssize_t sys_send(int fd, const void *bytes, size_t count, const struct site *at); /* no SIGPIPE */
int sys_shutdown_write(int fd, const struct site *at);
int sys_close(int fd, const struct site *at);

int sys_epoll_create(const struct site *at);
int sys_epoll_ctl(int epoll_fd, int operation, int fd, uint32_t events, uint64_t data, const struct site *at);
int sys_eventfd(const struct site *at);
int sys_eventfd_add(int fd, const struct site *at);

/* Waits at most timeout ns (-1: for ever), and never less unless an event comes or a signal (-EINTR). */
int sys_epoll_wait(int epoll_fd, struct epoll_event *events, int room, int64_t timeout, const struct site *at);

#endif
