#define _GNU_SOURCE /* accept4 */
/* The life of a future, on one real TCP socket: a peer process connects, waits until we are asleep, and sends a line.
 *
 *   read_socket            the line comes while we sleep: would-block, register, Pending, wake, Ready
 *   read_socket already    the line is there before the first poll: nothing has to wait
 *   read_socket twice      the peer sends two lines, and we read twice
 *   read_socket reset      the peer resets the connection instead of sending
 *
 * This is what `make lifecycle` records and draws. */
#include "executor.h"
#include "net.h"
#include "trace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum story { STORY_ASLEEP, STORY_ALREADY, STORY_TWICE, STORY_RESET };

/* --- the task: reads lines until it has as many as it wants --- */

struct reader {
    struct future base;
    struct socket *socket; /* input */
    int lines;             /* input: how many reads */
    struct socket_read read;
    char text[64];
    ssize_t output; /* bytes in text, or -errno */
    enum { READER_START, READER_READING, READER_DONE } state;
};

static enum poll reader_done(struct reader *self, ssize_t output)
{
    self->output = output;
    self->state = READER_DONE;
    return POLL_READY;
}

static enum poll reader_poll(struct future *f, struct context *cx)
{
    struct reader *self = (struct reader *)f;

    for (;;) {
        switch (self->state) {
        case READER_START:
            self->read = socket_read(self->socket, self->text + self->output, sizeof self->text - (size_t)self->output);
            self->state = READER_READING;
            break;
        case READER_READING:
            if (future_poll(&self->read.base, cx) == POLL_PENDING)
                return POLL_PENDING;
            future_drop(&self->read.base);
            if (self->read.output <= 0)
                return reader_done(self, self->read.output);
            self->output += self->read.output;
            if (--self->lines == 0)
                return reader_done(self, self->output);
            self->state = READER_START;
            break;
        case READER_DONE:
            __builtin_unreachable();
        }
    }
}

static void reader_drop(struct future *f)
{
    struct reader *self = (struct reader *)f;
    if (self->state == READER_READING)
        future_drop(&self->read.base);
}

FUTURE_TYPE(reader, reader_poll, reader_drop);

static struct reader reader(struct socket *socket, int lines)
{
    struct reader self = {.socket = socket, .lines = lines, .state = READER_START};
    future_init(&self.base, &reader_type);
    return self;
}

/* --- the peer: another process, with no runtime at all --- */

static void nap(long milliseconds)
{
    struct timespec time = {0, milliseconds * 1000000};
    nanosleep(&time, NULL);
}

/* Waits until the other process sleeps in the kernel: the third word of its stat is then S. */
static void wait_until_asleep(pid_t pid)
{
    char path[32], line[256] = "";

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    for (int tries = 0; tries < 1000; tries++) {
        FILE *stat = fopen(path, "r");
        if (!stat || !fgets(line, sizeof line, stat))
            line[0] = '\0';
        if (stat)
            fclose(stat);
        const char *end_of_name = strrchr(line, ')');
        if (end_of_name && strncmp(end_of_name, ") S", 3) == 0)
            return;
        nap(1);
    }
}

static void peer_send(int fd, const char *line)
{
    if (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0)
        _exit(1);
}

static void peer_reset(int fd)
{
    struct linger at_once = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

_Noreturn static void peer(int port, enum story story, pid_t reader_process)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        _exit(1);
    if (story != STORY_ALREADY) {
        wait_until_asleep(reader_process);
        nap(20);
    }
    if (story == STORY_RESET)
        peer_reset(fd);
    else
        peer_send(fd, "hello from the peer\n");
    if (story == STORY_TWICE) {
        wait_until_asleep(reader_process);
        nap(20);
        peer_send(fd, "and once more\n");
    }
    close(fd);
    _exit(0);
}

/* --- */

/* Waits, as a plain blocking program would, for a condition of a descriptor. */
static void wait_for(int fd, short events)
{
    struct pollfd pollfd = {fd, events, 0};
    while (poll(&pollfd, 1, -1) < 0 && errno == EINTR)
        ;
}

static int usage(FILE *out, int status)
{
    fputs("usage: read_socket [already|twice|reset]\n"
          "Reads from a socket that a peer process writes to. TRACE=run.trace records it, for lifeline.\n",
          out);
    return status;
}

static int parse_story(int argc, char **argv)
{
    static const char *const names[] = {"asleep", "already", "twice", "reset"};

    if (argc == 1)
        return STORY_ASLEEP;
    for (int i = 0; i < 4 && argc == 2; i++)
        if (strcmp(argv[1], names[i]) == 0)
            return i;
    return -1;
}

static void report(const struct reader *reader)
{
    if (reader->output < 0)
        printf("The task ended with an error: %s.\n", strerror((int)-reader->output));
    else
        printf("The task read %d bytes:\n%.*s", (int)reader->output, (int)reader->output, reader->text);
}

static int run(struct socket *connection, enum story story)
{
    struct executor ex;
    int error = executor_init(&ex);
    if (error) {
        fprintf(stderr, "read_socket: no executor: %s\n", strerror(-error));
        return 1;
    }
    struct reader task = reader(connection, story == STORY_TWICE ? 2 : 1);
    error = executor_block_on(&ex, &task);
    if (!error)
        report(&task);
    future_drop(&task.base);
    socket_close(connection);
    executor_destroy(&ex);
    return error ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct socket listener;
    int story = parse_story(argc, argv);

    if (story < 0)
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? usage(stdout, 0) : usage(stderr, 2);
    int error = listener_open(&listener, 0, 1);
    int port = error ? error : listener_port(&listener);
    if (port < 0) {
        fprintf(stderr, "read_socket: no socket to listen on: %s\n", strerror(-port));
        return 1;
    }
    pid_t self = getpid();
    pid_t child = fork();
    if (child == 0)
        peer(port, (enum story)story, self);
    wait_for(listener.source.fd, POLLIN);
    struct socket connection = socket_from_fd(accept4(listener.source.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
    socket_close(&listener);
    if (story == STORY_ALREADY)
        wait_for(connection.source.fd, POLLIN);
    printf("A peer has connected. One task reads from the socket.\n");
    int status = run(&connection, (enum story)story);
    waitpid(child, NULL, 0);
    return status;
}
