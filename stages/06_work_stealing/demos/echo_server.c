/* An echo server: every byte that a client sends comes back to it. All workers serve all the connections,
 * each of them by a task that reads, writes what it has read, and reads again. A connection may be served on another
 * worker each time; nothing in it has to know that. What all of them share are the numbers in `struct server`.
 *
 * Nothing that a client does harms the others:
 *   it never reads         its task waits to write, and reads no more: its one buffer is all the memory it can fill
 *   it sends without end   its task gives way now and then
 *   it closes or resets    its task ends; what came before the close goes back first
 *   there are too many     they wait, in the kernel, until a descriptor is free: the acceptor asks only now and then
 *
 * Run alone it brings its own clients, in another process (load.h), and ends with them. With --serve it stays. */
#define _GNU_SOURCE /* pipe2 */
#include "demo.h"
#include "load.h"
#include "must.h"
#include "net.h"
#include "runtime.h"
#include "select.h"
#include "task.h"
#include "timer.h"
#include "yield.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    BUFFER_SIZE = 1024,
    ROUNDS_PER_POLL = 16, /* then a task gives way */
    BACKLOG = 4096,       /* connections that may wait to be accepted */
    PAUSE = 50,           /* ms, before it tries again to accept after descriptors ran out */
    OTHER_DESCRIPTORS = 16,
};

struct server {
    struct socket listener;

    /* the acceptor */
    bool is_full;
    unsigned most; /* connections at most at once */
    uint64_t accepted;

    /* any worker */
    atomic_uint open; /* connections now */
    _Atomic uint64_t broken, bytes;
};

/* Counts something that all workers count. relaxed: a number to be printed, no partner. */
#define COUNT(counter, change) atomic_fetch_add_explicit(counter, change, memory_order_relaxed)
#define COUNTED(counter)       atomic_load_explicit(counter, memory_order_relaxed)

/* --- a connection --- */

struct connection {
    struct future base;
    struct server *server; /* input */
    struct socket socket;  /* input */
    enum { CONNECTION_READING, CONNECTION_WRITING, CONNECTION_YIELDING } state;
    union { /* one at a time, and so they share their memory */
        struct future future;
        struct socket_read read;
        struct socket_write write;
        struct yield yield;
    } step;
    char buffer[BUFFER_SIZE];
};

static void connection_read(struct connection *self)
{
    self->step.read = socket_read(&self->socket, self->buffer, sizeof self->buffer);
    self->state = CONNECTION_READING;
}

static void connection_write(struct connection *self, size_t count)
{
    self->step.write = socket_write(&self->socket, self->buffer, count);
    self->state = CONNECTION_WRITING;
}

static void connection_yield(struct connection *self)
{
    self->step.yield = yield_now();
    self->state = CONNECTION_YIELDING;
}

static void connection_close(struct connection *self)
{
    socket_close(&self->socket);
    COUNT(&self->server->open, -1u);
}

static enum poll connection_ends(struct connection *self, ssize_t error)
{
    COUNT(&self->server->broken, error < 0);
    connection_close(self);
    return POLL_READY;
}

static enum poll connection_poll(struct future *f, struct context *cx)
{
    struct connection *self = (struct connection *)f;
    int rounds = 0;

    if (f->phase == FUTURE_FRESH)
        connection_read(self);
    for (;;) {
        if (future_poll(&self->step.future, cx) == POLL_PENDING)
            return POLL_PENDING;
        future_drop(&self->step.future);
        switch (self->state) {
        case CONNECTION_READING:
            if (self->step.read.output <= 0)
                return connection_ends(self, self->step.read.output);
            connection_write(self, (size_t)self->step.read.output);
            break;
        case CONNECTION_WRITING:
            if (self->step.write.output < 0)
                return connection_ends(self, self->step.write.output);
            COUNT(&self->server->bytes, (uint64_t)self->step.write.output);
            if (++rounds == ROUNDS_PER_POLL)
                connection_yield(self);
            else
                connection_read(self);
            break;
        case CONNECTION_YIELDING:
            connection_read(self);
            break;
        }
    }
}

static void connection_drop(struct future *f)
{
    struct connection *self = (struct connection *)f;

    if (f->phase == FUTURE_STARTED)
        future_drop(&self->step.future);
    if (f->phase != FUTURE_FINISHED)
        connection_close(self);
}

FUTURE_TYPE(connection, connection_poll, connection_drop);

/* Takes over the descriptor. */
static struct connection connection(struct server *server, int fd)
{
    struct connection self = {.server = server, .socket = socket_from_fd(fd)};
    future_init(&self.base, &connection_type);
    COUNT(&server->open, 1);
    return self;
}

/* --- the acceptor --- */

/* Accepts connections for ever. Ready only if that cannot go on. */
struct acceptor {
    struct future base;
    struct server *server;
    enum { ACCEPTOR_ACCEPTING, ACCEPTOR_PAUSING, ACCEPTOR_YIELDING } state;
    union {
        struct future future;
        struct socket_accept accept;
        struct sleep pause;
        struct yield yield;
    } step;
    int output; /* -errno */
};

static void acceptor_accept(struct acceptor *self)
{
    self->step.accept = socket_accept(&self->server->listener);
    self->state = ACCEPTOR_ACCEPTING;
}

static void acceptor_yield(struct acceptor *self)
{
    self->step.yield = yield_now();
    self->state = ACCEPTOR_YIELDING;
}

/* There is no descriptor for another connection. It waits where it is, and the kernel goes on calling the listener
 * readable: to try at once would only fail again, for as long as there is none. */
static void acceptor_pause(struct acceptor *self)
{
    if (!self->server->is_full)
        printf("No descriptor is left: new connections wait. %u are being served.\n", COUNTED(&self->server->open));
    self->server->is_full = true;
    self->step.pause = sleep_for(MILLISECONDS(PAUSE));
    self->state = ACCEPTOR_PAUSING;
}

static void server_welcome(struct server *server, int fd)
{
    struct connection new = connection(server, fd);

    if (server->is_full)
        printf("Descriptors are free again: new connections are accepted.\n");
    server->is_full = false;
    server->accepted++;
    if (COUNTED(&server->open) > server->most)
        server->most = COUNTED(&server->open);
    if (task_spawn(runtime_current(), &new, NULL) != 0)
        future_drop(&new.base); /* no memory: it is closed */
}

static bool is_shortage(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM;
}

/* The new connection's descriptor, or -errno. */
static int accept_take(struct socket_accept *accept)
{
    int output = accept->output;

    accept->output = -1; /* or the drop would close it */
    future_drop(&accept->base);
    return output;
}

static enum poll acceptor_poll(struct future *f, struct context *cx)
{
    struct acceptor *self = (struct acceptor *)f;
    int rounds = 0;

    if (f->phase == FUTURE_FRESH)
        acceptor_accept(self);
    for (;;) {
        if (future_poll(&self->step.future, cx) == POLL_PENDING)
            return POLL_PENDING;
        switch (self->state) {
        case ACCEPTOR_ACCEPTING:
            self->output = accept_take(&self->step.accept);
            if (is_shortage(self->output)) {
                acceptor_pause(self);
                break;
            }
            if (self->output < 0)
                return POLL_READY;
            server_welcome(self->server, self->output);
            if (++rounds == ROUNDS_PER_POLL)
                acceptor_yield(self);
            else
                acceptor_accept(self);
            break;
        case ACCEPTOR_PAUSING:
        case ACCEPTOR_YIELDING:
            future_drop(&self->step.future);
            acceptor_accept(self);
            break;
        }
    }
}

static void acceptor_drop(struct future *f)
{
    struct acceptor *self = (struct acceptor *)f;
    if (f->phase == FUTURE_STARTED)
        future_drop(&self->step.future);
}

FUTURE_TYPE(acceptor, acceptor_poll, acceptor_drop);

static struct acceptor acceptor(struct server *server)
{
    struct acceptor self = {.server = server};
    future_init(&self.base, &acceptor_type);
    return self;
}

/* --- the end --- */

/* Ready once there is something to read from a descriptor that is no socket, or its other end is closed. This is all
 * that a future of one's own needs to wait in the reactor: try, and only if that would block leave a waker. */
struct until_readable {
    struct future base;
    struct source source;
};

static enum poll until_readable_poll(struct future *f, struct context *cx)
{
    struct until_readable *self = (struct until_readable *)f;
    struct signalfd_siginfo what;
    int error;

    while (source_poll_ready(&self->source, SOURCE_READ, f, cx, &error, SITE("until_readable")) == POLL_READY) {
        if (error || read(source_fd(&self->source), &what, sizeof what) != -1 || errno != EAGAIN)
            return POLL_READY;
        source_would_block(&self->source, SOURCE_READ);
    }
    return POLL_PENDING;
}

static void until_readable_drop(struct future *f)
{
    struct until_readable *self = (struct until_readable *)f;
    source_forget(&self->source, SOURCE_READ, f, SITE("until_readable"));
    source_close(&self->source, SITE("until_readable"));
}

FUTURE_TYPE(until_readable, until_readable_poll, until_readable_drop);

/* Takes over the descriptor, which must not block. */
static struct until_readable until_readable(int fd)
{
    struct until_readable self = {0};
    source_init(&self.source, fd);
    future_init(&self.base, &until_readable_type);
    return self;
}

static void report_workers(const struct runtime *rt)
{
    for (unsigned i = 1; i <= rt->worker_count; i++) {
        struct runtime_counters did = runtime_count(rt, i);
        printf("Worker %u polled %lu times, took %lu tasks from others, and slept %lu times.\n", i,
               (unsigned long)did.polls, (unsigned long)did.steals, (unsigned long)did.parks);
    }
}

/* Serves until something can be read from `end`. 0, or -errno if it had to stop before. */
static int serve(struct server *server, int end)
{
    struct runtime rt;
    double began = demo_milliseconds(CLOCK_MONOTONIC);

    must(runtime_init(&rt, 0), "the runtime");
    struct acceptor accepting = acceptor(server);
    struct until_readable ending = until_readable(end);
    struct select both = select_first(&accepting.base, &ending.base);
    must(runtime_block_on(&rt, &both), "the first task");
    int error = both.winner == &accepting.base ? accepting.output : 0;
    future_drop(&both.base);
    socket_close(&server->listener);
    printf("The server accepted %lu connections, at most %u at once, and sent %lu bytes back.\n",
           (unsigned long)server->accepted, server->most, (unsigned long)COUNTED(&server->bytes));
    if (COUNTED(&server->broken))
        printf("%lu connections broke.\n", (unsigned long)COUNTED(&server->broken));
    printf("It ran for %.0f ms, and worked for %.0f ms of them.\nA connection is a task of %zu bytes.\n",
           demo_milliseconds(CLOCK_MONOTONIC) - began, demo_milliseconds(CLOCK_PROCESS_CPUTIME_ID),
           sizeof(struct task) + sizeof(struct connection));
    report_workers(&rt);
    runtime_destroy(&rt); /* closes the connections that are left */
    return error;
}

/* --- the two ways to run it --- */

/* How many descriptors we may open, once we have asked for all that we can get. */
static long descriptors_allowed(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 256;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur < 1000000 ? (long)limit.rlim_cur : 1000000;
}

/* A descriptor that can be read from when the user has pressed Ctrl-C. */
static int open_interrupts(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    must(fd < 0 ? -errno : 0, "signalfd");
    return fd;
}

static int stay(struct server *server)
{
    int port = listener_port(&server->listener), end = open_interrupts();

    printf("Serving on port %d; with Ctrl-C it ends. Try: nc 127.0.0.1 %d\n", port, port);
    must(serve(server, end), "accepting");
    return 0;
}

/* Starts the clients in a process of their own; returns a descriptor that is at its end when they are. */
static int start_clients(struct server *server, int connections)
{
    int port = listener_port(&server->listener);
    int alive[2];

    must(pipe2(alive, O_NONBLOCK | O_CLOEXEC) == 0 ? 0 : -errno, "a pipe");
    pid_t child = fork();
    must(child < 0 ? -errno : 0, "a process for the clients");
    if (child == 0) {
        socket_close(&server->listener);
        close(alive[0]);
        exit(load_run((uint16_t)port, connections));
    }
    close(alive[1]);
    return alive[0];
}

static int demonstrate(struct server *server, int connections)
{
    int status = 1;

    printf("A server on all cores, and %d clients in another process.\n", connections);
    int error = serve(server, start_clients(server, connections));
    must(error, "accepting");
    wait(&status);
    return status == 0 ? 0 : 1;
}

static int usage(FILE *out, int status)
{
    fputs("usage: echo_server [--connections N] [--port N]     a server and N clients (1000), until all are served\n"
          "       echo_server --serve [--port N]               a server, until Ctrl-C\n"
          "The port is any free one, unless it is given. For example:\n"
          "  echo_server --connections 10000\n"
          "  echo_server --serve --port 7000        then, elsewhere: nc 127.0.0.1 7000\n"
          "  (ulimit -n 20; echo_server --serve)    a server that soon has no descriptors left\n"
          "  TRACE=run.trace echo_server --connections 3; lifeline stats run.trace\n",
          out);
    return status;
}

struct options {
    bool help, stay;
    long port, connections;
};

static bool parse_number(const char *text, long least, long most, long *number)
{
    char *end;

    *number = strtol(text, &end, 10);
    return *text && !*end && *number >= least && *number <= most;
}

static bool parse_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"help", no_argument, NULL, 'h'},
        {"serve", no_argument, NULL, 's'},
        {"port", required_argument, NULL, 'p'},
        {"connections", required_argument, NULL, 'c'},
        {0},
    };
    bool good = true;

    for (int option; good && (option = getopt_long(argc, argv, "", known, NULL)) != -1;)
        switch (option) {
        case 'h':
            options->help = true;
            break;
        case 's':
            options->stay = true;
            break;
        case 'p':
            good = parse_number(optarg, 0, UINT16_MAX, &options->port);
            break;
        case 'c':
            good = parse_number(optarg, 1, 1000000, &options->connections);
            break;
        default:
            good = false;
        }
    return good && optind == argc;
}

int main(int argc, char **argv)
{
    struct options options = {.connections = 1000};
    struct server server = {0};

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!parse_options(argc, argv, &options))
        return usage(stderr, 2);
    if (options.help)
        return usage(stdout, 0);
    long most = descriptors_allowed() - OTHER_DESCRIPTORS;
    if (!options.stay && options.connections > most) {
        printf("The limit on descriptors (ulimit -Hn) allows no more than %ld connections instead of %ld.\n", most,
               options.connections);
        options.connections = most;
    }
    must(listener_open(&server.listener, (uint16_t)options.port, BACKLOG), "a socket to listen on");
    return options.stay ? stay(&server) : demonstrate(&server, (int)options.connections);
}
