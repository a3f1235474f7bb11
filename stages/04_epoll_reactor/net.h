/* TCP on the loopback interface, as futures: accept, connect, read, write.
 *
 * Each of them tries the system call first, and only a call that would block makes it wait in the reactor. A socket
 * must stay where it is from its first use until it is closed, and outlive the futures that use it. One future may read
 * from a socket while another writes to it. A future that is dropped half-way simply stops waiting; of a write, what
 * was sent is sent. All outputs are valid once the future is ready; errors are -errno. All of it is for
 * tasks, on the thread that polls them. */
#ifndef NET_H
#define NET_H

#include "future.h"
#include "reactor.h"

#include <sys/types.h>

struct socket {
    struct source source;
};

/* Wraps a stream socket of the caller's, which must not block (O_NONBLOCK). The result owns it from now on. */
struct socket socket_from_fd(int fd);

/* Opens a socket that listens on port (0: any free one). 0 or -errno. */
#define listener_open(listener, port, backlog) listener_open_at(listener, port, backlog, SITE(#listener))
int listener_open_at(struct socket *listener, uint16_t port, int backlog, const struct site *at);

/* The port it listens on, or -errno. */
#define listener_port(listener) listener_port_at(listener, SITE(#listener))
int listener_port_at(const struct socket *listener, const struct site *at);

/* Closes it; whoever still waits on it is woken and gets -EBADF. 0 or -errno. Closing twice gives -EBADF. */
#define socket_close(socket) socket_close_at(socket, SITE(#socket))
int socket_close_at(struct socket *socket, const struct site *at);

/* Says "no more bytes" to the peer; reading goes on. 0 or -errno. */
#define socket_shutdown(socket) socket_shutdown_at(socket, SITE(#socket))
int socket_shutdown_at(struct socket *socket, const struct site *at);

struct socket_accept {
    struct future base;
    struct socket *listener;
    const struct site *at;
    int output; /* the descriptor of the new connection, for socket_from_fd; whoever takes it leaves -1 here, or the
                   drop closes it. Or -errno; -EMFILE and -ENFILE leave the connection where it is: it can be accepted
                   later, when a descriptor is free */
};

#define socket_accept(listener) socket_accept_at(listener, SITE(#listener))
struct socket_accept socket_accept_at(struct socket *listener, const struct site *at);

struct socket_connect {
    struct future base;
    struct socket *socket; /* filled in by the first poll; to be closed by the caller if the output is 0 */
    uint16_t port;
    const struct site *at;
    int output; /* 0 or -errno */
};

#define socket_connect(socket, port) socket_connect_at(socket, port, SITE(#socket))
struct socket_connect socket_connect_at(struct socket *socket, uint16_t port, const struct site *at);

struct socket_read {
    struct future base;
    struct socket *socket;
    void *buffer;
    size_t room; /* at least 1 */
    const struct site *at;
    ssize_t output; /* how many bytes came, at least 1; 0: the peer sends no more; or -errno */
};

#define socket_read(socket, buffer, room) socket_read_at(socket, buffer, room, SITE(#socket))
struct socket_read socket_read_at(struct socket *socket, void *buffer, size_t room, const struct site *at);

struct socket_write {
    struct future base;
    struct socket *socket;
    const char *bytes;
    size_t count;
    size_t sent;
    const struct site *at;
    ssize_t output; /* count, when all of it is sent; or -errno, and then `sent` bytes were */
};

#define socket_write(socket, bytes, count) socket_write_at(socket, bytes, count, SITE(#socket))
struct socket_write socket_write_at(struct socket *socket, const void *bytes, size_t count, const struct site *at);

#endif
