#define _GNU_SOURCE /* accept4 */
/* The life of a future, on one real TCP socket: a peer process connects, waits until all our threads are asleep, and
 * sends a line. main only waits; one of two workers runs the task, and the other has nothing to do.
 *
 *   read_socket            the line comes while we sleep: would-block, register, Pending, wake, Ready
 *   read_socket already    the line is there before the first poll: nothing has to wait
 *   read_socket twice      the peer sends two lines, and we read twice
 *   read_socket reset      the peer resets the connection instead of sending
 *
 * This is what `make lifecycle` records and draws. Only what the runtime does is recorded: the connection is made
 * beforehand, with plain blocking calls. */
#include "net.h"
#include "runtime.h"
#include "trace.h"

#include <arpa/inet.h>
#include <dirent.h>
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

static const char *const stories[] = {"asleep", "already", "twice", "reset"};

/* --- the task: reads as often as it was asked to --- */

struct reader {
    struct future base;
    struct socket *socket; /* input, which it closes: only its own worker may */
    int reads;             /* input: how many are left */
    struct socket_read read;
    char text[64];
    ssize_t output; /* bytes in text, or -errno */
    enum { READER_START, READER_READING, READER_DONE } state;
};

static enum poll reader_done(struct reader *self, ssize_t output)
{
    socket_close(self->socket);
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
            if (--self->reads == 0)
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

static struct reader reader(struct socket *socket, int reads)
{
    struct reader self = {.socket = socket, .reads = reads, .state = READER_START};
    future_init(&self.base, &reader_type);
    return self;
}

/* --- the run: from the runtime's start to its end --- */

static void report(const struct reader *reader)
{
    if (reader->output < 0)
        printf("The task ended with an error: %s.\n", strerror((int)-reader->output));
    else
        printf("The task read %d bytes:\n%.*s", (int)reader->output, (int)reader->output, reader->text);
}

/* 0 or -errno */
static int run(struct socket *connection, enum story story)
{
    struct runtime rt;
    int error = runtime_init(&rt, 2);
    if (error)
        return error;
    struct reader task = reader(connection, story == STORY_TWICE ? 2 : 1);
    error = runtime_block_on(&rt, &task);
    if (!error)
        report(&task);
    future_drop(&task.base);
    runtime_destroy(&rt);
    return error;
}

/* --- the peer: another process, with no runtime at all --- */

struct peer {
    struct sockaddr_in address; /* to connect to */
    enum story story;
    pid_t reader; /* our process */
    int go;       /* says with one byte that from now on the reader sleeps only when it has nothing to do */
};

static void nap(long milliseconds)
{
    struct timespec time = {0, milliseconds * 1000000};
    nanosleep(&time, NULL);
}

/* How often a thread has gone to sleep so far, if it sleeps now; otherwise, or if nobody tells, -1. */
static long sleeps_of_thread(pid_t pid, const char *thread)
{
    char path[64], line[256], state = '?';
    long sleeps = -1;

    snprintf(path, sizeof path, "/proc/%d/task/%.20s/status", (int)pid, thread);
    FILE *status = fopen(path, "r");
    while (status && fgets(line, sizeof line, status)) {
        sscanf(line, "State: %c", &state);
        sscanf(line, "voluntary_ctxt_switches: %ld", &sleeps);
    }
    if (status)
        fclose(status);
    return state == 'S' ? sleeps : -1;
}

/* The same for all threads of a process together, looked at one after the other. */
static long sleeps_of_threads(pid_t pid)
{
    char path[64];
    long sleeps = 0;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *folder = opendir(path);
    if (!folder)
        return -1;
    for (struct dirent *entry; sleeps >= 0 && (entry = readdir(folder));) {
        long more = entry->d_name[0] == '.' ? 0 : sleeps_of_thread(pid, entry->d_name);
        sleeps = more < 0 ? -1 : sleeps + more;
    }
    closedir(folder);
    return sleeps;
}

/* The same, and all of them sleep at once: a thread that woke another while we looked at a third would show in the
 * second look. */
static long sleeps_if_asleep(pid_t pid)
{
    long first = sleeps_of_threads(pid), second = sleeps_of_threads(pid);
    return first == second ? first : -1;
}

/* Waits until the process sleeps, and has gone to sleep since it had slept so often; but not for ever. Lets it sleep a
 * while, so that the wait can be seen, and returns how often it has slept now. */
static long wait_until_asleep(pid_t pid, long since)
{
    for (int tries = 0; tries < 1000 && sleeps_if_asleep(pid) <= since; tries++)
        nap(1);
    nap(20);
    return sleeps_if_asleep(pid);
}

static void peer_send(int fd, const char *line)
{
    if (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0)
        _exit(1);
}

/* Makes the close that follows a reset. */
static void peer_prepare_reset(int fd)
{
    struct linger at_once = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

_Noreturn static void peer_run(const struct peer *peer)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    long slept = -1;
    char byte;

    if (fd < 0 || connect(fd, (const struct sockaddr *)&peer->address, sizeof peer->address) != 0)
        _exit(1);
    if (peer->story != STORY_ALREADY) {
        if (read(peer->go, &byte, 1) != 1)
            _exit(1);
        slept = wait_until_asleep(peer->reader, -1);
    }
    if (peer->story == STORY_RESET)
        peer_prepare_reset(fd);
    else
        peer_send(fd, "hello from the peer\n");
    if (peer->story == STORY_TWICE) {
        wait_until_asleep(peer->reader, slept);
        peer_send(fd, "and once more\n");
    }
    close(fd);
    _exit(0);
}

/* --- the connection, made with plain blocking calls --- */

_Noreturn static void fail(const char *what, int error)
{
    fprintf(stderr, "read_socket: %s: %s\n", what, strerror(error));
    exit(1);
}

static int listen_anywhere(struct sockaddr_in *address)
{
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *)address, size) != 0 || listen(fd, 1) != 0 ||
        getsockname(fd, (struct sockaddr *)address, &size) != 0)
        fail("no socket to listen on", errno);
    return fd;
}

/* Waits until there is something to read; the peer has ten seconds. */
static void wait_for_input(int fd)
{
    struct pollfd pollfd = {fd, POLLIN, 0};
    int ready;

    do
        ready = poll(&pollfd, 1, 10000);
    while (ready < 0 && errno == EINTR);
    if (ready <= 0)
        fail("the peer", ready < 0 ? errno : ETIMEDOUT);
}

static struct socket accept_peer(int listener, enum story story)
{
    wait_for_input(listener);
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        fail("no connection", errno);
    if (story == STORY_ALREADY)
        wait_for_input(fd);
    close(listener);
    return socket_from_fd(fd);
}

/* Starts the peer; the descriptor that tells it to go on. */
static int fork_peer(struct peer *peer)
{
    int go[2];

    if (pipe(go) != 0)
        fail("no pipe", errno);
    peer->reader = getpid();
    peer->go = go[0];
    pid_t child = fork();
    if (child < 0)
        fail("no process for the peer", errno);
    if (child == 0) {
        close(go[1]); /* so that the pipe ends with us, should we be killed, and the peer does not wait for ever */
        peer_run(peer);
    }
    return go[1]; /* the other end stays open: to write to a peer that is gone already must not kill us */
}

/* --- */

/* Exit status: 0 if it was asked for, 2 if what was asked for makes no sense. */
static int usage(int argc, char **argv)
{
    if (argc > 2 || strcmp(argv[1], "--help") != 0) {
        fprintf(stderr, "%s: does not know '%s'; try --help\n", argv[0], argv[argc - 1]);
        return 2;
    }
    fputs(
        "usage: read_socket [asleep|already|twice|reset]\n"
        "Reads from a socket that a peer process writes to: while the reader is asleep (this is what happens without\n"
        "an argument), before it reads at all, or twice; or the peer resets the connection.\n"
        "  TRACE=run.trace read_socket twice    records what happens; lifeline draw run.trace -T text shows it\n",
        stdout);
    return 0;
}

/* Which story is asked for, or -1. */
static int parse_story(int argc, char **argv)
{
    if (argc == 1)
        return STORY_ASLEEP;
    for (int i = 0; i < 4 && argc == 2; i++)
        if (strcmp(argv[1], stories[i]) == 0)
            return i;
    return -1;
}

int main(int argc, char **argv)
{
    struct peer peer = {0};
    int story = parse_story(argc, argv);

    if (story < 0)
        return usage(argc, argv);
    peer.story = (enum story)story;
    int listener = listen_anywhere(&peer.address);
    int go = fork_peer(&peer);
    struct socket connection = accept_peer(listener, peer.story);
    printf("A peer has connected. One task reads from the socket.\n");
    if (write(go, "", 1) != 1)
        fail("the peer", errno);
    int error = run(&connection, peer.story);
    if (error)
        fail("no runtime", -error);
    wait(NULL);
    return 0;
}
