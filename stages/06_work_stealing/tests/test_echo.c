/* The echo server, under clients of every kind: many, hasty, slow, broken, silent and greedy. Every byte comes back. */
#define _GNU_SOURCE
#include "support_program.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The address and the thread sanitizer keep notes on all memory that is touched, also of the recording; and where they
 * only read a note, some kernels give them a page for it. */
#if defined __SANITIZE_THREAD__ || defined __SANITIZE_ADDRESS__
#define SHADOWED 1
#elif defined __has_feature
#define SHADOWED (__has_feature(thread_sanitizer) || __has_feature(address_sanitizer))
#else
#define SHADOWED 0
#endif

/* What the server promises. */
enum { ROUNDS_PER_POLL = 16, PAUSE_MS = 50 };

/* --- the server, in a process of its own --- */

enum { CALLS = 32 };

struct server {
    struct program program;
    struct recording recording;
    unsigned told[CALLS]; /* by server_calls, of each */
    unsigned told_waits;  /* by server_write_waits */
    uint16_t port;
};

/* name: of the test, for its recording. descriptors: 0, or how many it may have. */
static void server_start(struct server *server, const char *name, rlim_t descriptors)
{
    const char *const argv[] = {demo("echo_server"), "--serve", NULL};
    const char *trace = scratch(name);
    int port;

    program_start(&server->program, argv, trace, descriptors);
    program_wait_for_text(&server->program, "nc 127.0.0.1 ");
    assert_int_equal(sscanf(server->program.text, "Serving on port %d", &port), 1);
    server->port = (uint16_t)port;
    recording_open(&server->recording, trace);
    memset(server->told, 0, sizeof server->told);
    server->told_waits = 0;
}

/* Ends it as a user would, and expects it to end well. */
static void server_stop(struct server *server, const char *name)
{
    kill(server->program.pid, SIGINT);
    int status = program_end(&server->program);
    if (status != 0)
        fail_msg("the server ends with %d:\n%s", status, server->program.text);
    recording_close(&server->recording);
    recording_check(scratch(name));
}

/* Where docs/recording.md says that these stand. */
enum { AT_CHUNK_SIZE = 20, AT_CHUNKS_OFFSET = 56, AT_CHUNKS_TAKEN = 72, CHUNK_HEADER = 32 };

static uint64_t header_field(const struct server *server, size_t at, size_t size)
{
    uint64_t field = 0;
    memcpy(&field, server->recording.bytes + at, size);
    return field;
}

/* The next event in its recording as it is now; *at: 0 for the first. Each of its threads has chunks of its own, not all of
 * which are full, so events of one thread are in order, but those of two are not. */
static const struct record *server_event(const struct server *server, uint64_t *at)
{
    uint64_t chunk_size = header_field(server, AT_CHUNK_SIZE, 4), from = header_field(server, AT_CHUNKS_OFFSET, 8);
    uint64_t size = header_field(server, AT_CHUNKS_TAKEN, 8) * chunk_size;

    while (*at < size && from + *at < server->recording.size) {
        const struct record *record = (const struct record *)(server->recording.bytes + from + *at);
        bool is_header = *at % chunk_size < CHUNK_HEADER;
        *at += sizeof *record;
        if (!is_header && __atomic_load_n(&record->kind, __ATOMIC_ACQUIRE) != 0)
            return record;
    }
    return NULL;
}

/* How many times since it was last asked for this call the server has made it with that result (always the same one for
 * a call); INT64_MAX: with any. */
static unsigned server_calls(struct server *server, enum trace_call call, int64_t result)
{
    unsigned count = 0, told = server->told[call];
    uint64_t at = 0;

    for (const struct record *record; (record = server_event(server, &at));)
        count += record->kind == TRACE_SYSCALL_END && record->a == call &&
                 (result == INT64_MAX || (int64_t)record->b == result);
    server->told[call] = count;
    return count - told;
}

/* How many times since it was last asked the server has begun to wait until it can write. */
static unsigned server_write_waits(struct server *server)
{
    unsigned count = 0, told = server->told_waits;
    uint64_t at = 0;

    for (const struct record *record; (record = server_event(server, &at));)
        count += record->kind == TRACE_WAIT && record->a == TRACE_SOURCE_WRITE;
    server->told_waits = count;
    return count - told;
}

/* To be compared only after it has served somebody: before that it opens some of its own. */
static unsigned server_descriptors(const struct server *server)
{
    char path[64];
    unsigned count = 0;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)server->program.pid);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* Its own memory, in KiB: without what is mapped from files, as the recording is. */
static long server_memory(const struct server *server)
{
    char path[64], line[256];
    long memory = -1;

    snprintf(path, sizeof path, "/proc/%d/status", (int)server->program.pid);
    FILE *status = fopen(path, "r");
    assert_non_null(status);
    while (fgets(line, sizeof line, status))
        sscanf(line, "RssAnon: %ld", &memory);
    fclose(status);
    assert_true(memory >= 0);
    return memory;
}

/* Between two looks at something that must come; SIGALRM is the deadline. */
static void look_again(void)
{
    nanosleep(&(struct timespec){0, 1000000}, NULL);
}

static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* --- clients --- */

static int client_connect(const struct server *server)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(server->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    return fd;
}

static void client_reset(int fd)
{
    struct linger at_once = {1, 0};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(fd);
}

/* The bytes that a client sends: a stream of its own, by its number. */
static char byte_of(unsigned client, size_t at)
{
    uint64_t mix = (client + 1) * UINT64_C(0x9e3779b97f4a7c15) + at * UINT64_C(0xd1342543de82ef95);
    return (char)(mix >> 56);
}

static void send_bytes(int fd, unsigned client, size_t from, size_t count)
{
    char bytes[4096];

    while (count > 0) {
        size_t part = count < sizeof bytes ? count : sizeof bytes;
        for (size_t i = 0; i < part; i++)
            bytes[i] = byte_of(client, from + i);
        assert_int_equal(send(fd, bytes, part, MSG_NOSIGNAL), part);
        from += part;
        count -= part;
    }
}

/* Sends until the kernel takes no more just now; returns where the stream has come to. */
static size_t send_what_fits(int fd, unsigned client, size_t from)
{
    char bytes[4096];

    for (;;) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = byte_of(client, from + i);
        ssize_t sent = send(fd, bytes, sizeof bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN)
            return from;
        assert_true(sent > 0);
        from += (size_t)sent;
    }
}

/* Expects these bytes of the stream, and no others before them. */
static void receive_bytes(int fd, unsigned client, size_t from, size_t count)
{
    char bytes[4096];

    for (size_t end = from + count; from < end;) {
        ssize_t came = recv(fd, bytes, end - from < sizeof bytes ? end - from : sizeof bytes, 0);
        assert_true(came > 0);
        for (ssize_t i = 0; i < came; i++, from++)
            if (bytes[i] != byte_of(client, from))
                fail_msg("client %u: byte %zu is wrong", client, from);
    }
}

static void assert_at_end(int fd)
{
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

static void assert_nothing_came(int fd)
{
    char byte;
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

static void exchange(int fd, unsigned client, size_t from, size_t count)
{
    send_bytes(fd, client, from, count);
    receive_bytes(fd, client, from, count);
}

/* --- many --- */

enum { MANY = 10000, WAVE = 500, MESSAGE = 100 };

static int many_fds[MANY];

static unsigned how_many(void)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur >= MANY + 64)
        return MANY;
    print_message("the limit on descriptors allows no more than %u connections\n", (unsigned)limit.rlim_cur - 64);
    return (unsigned)limit.rlim_cur - 64;
}

static void everyone_exchanges(unsigned from, unsigned end, size_t at)
{
    for (unsigned i = from; i < end; i++)
        send_bytes(many_fds[i], i, at, MESSAGE);
    for (unsigned i = from; i < end; i++)
        receive_bytes(many_fds[i], i, at, MESSAGE);
}

static void test_ten_thousand_connections(void **state)
{
    static struct server server;
    unsigned many = how_many();
    char expected[128];

    (void)state;
    server_start(&server, "many", 0);
    for (unsigned first = 0, end; first < many; first = end) {
        end = first + WAVE < many ? first + WAVE : many;
        for (unsigned i = first; i < end; i++)
            many_fds[i] = client_connect(&server);
        everyone_exchanges(first, end, 0);
    }
    everyone_exchanges(0, many, MESSAGE);
    for (unsigned i = 0; i < many; i += 2) /* the others are still open when it ends */
        close(many_fds[i]);
    server_stop(&server, "many");
    for (unsigned i = 1; i < many; i += 2)
        close(many_fds[i]);
    snprintf(expected, sizeof expected, "accepted %u connections, at most %u at once, and sent %u bytes back", many,
             many, many * 2 * MESSAGE);
    if (!strstr(server.program.text, expected))
        fail_msg("instead of '%s' it says:\n%s", expected, server.program.text);
}

/* --- slow, or gone --- */

/* The server sends what is left, and then closes as well. */
static void test_half_close(void **state)
{
    static struct server server;
    enum { COUNT = 60000 };

    (void)state;
    server_start(&server, "half_close", 0);
    int bystander = client_connect(&server);
    exchange(bystander, 20, 0, MESSAGE);
    unsigned descriptors = server_descriptors(&server);
    for (unsigned client = 0; client < 20; client++) {
        int fd = client_connect(&server);
        send_bytes(fd, client, 0, COUNT);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        receive_bytes(fd, client, 0, COUNT);
        assert_at_end(fd);
        close(fd);
    }
    while (server_descriptors(&server) > descriptors)
        look_again();
    close(bystander);
    server_stop(&server, "half_close");
}

static void test_byte_by_byte(void **state)
{
    static struct server server;

    (void)state;
    server_start(&server, "trickle", 0);
    int slow = client_connect(&server), fast = client_connect(&server);
    for (size_t at = 0; at < 1000; at++) {
        exchange(slow, 0, at, 1);
        exchange(fast, 1, at * 100, 100);
    }
    close(slow);
    close(fast);
    server_stop(&server, "trickle");
}

/* Resets before, after and in the middle of what the server sends; each time its descriptor must be free again. */
static void test_resets(void **state)
{
    static struct server server;

    (void)state;
    server_start(&server, "resets", 0);
    int bystander = client_connect(&server);
    exchange(bystander, 0, 0, MESSAGE);
    unsigned descriptors = server_descriptors(&server);
    for (unsigned client = 1; client <= 60; client++) {
        int fd = client_connect(&server);
        if (client % 3 == 0)
            send_bytes(fd, client, 0, 5000);
        if (client % 3 == 1)
            exchange(fd, client, 0, 5000);
        client_reset(fd);
        exchange(bystander, 0, client * MESSAGE, MESSAGE);
    }
    while (server_descriptors(&server) > descriptors)
        look_again();
    close(bystander);
    server_stop(&server, "resets");
}

/* --- silent --- */

/* Sends, and never reads, until the server waits to write. Returns how many bytes went out. */
static size_t stuff(struct server *server, int fd, unsigned client)
{
    size_t sent = send_what_fits(fd, client, 0);

    while (server_write_waits(server) == 0) {
        look_again();
        sent = send_what_fits(fd, client, sent);
    }
    return sent;
}

static void test_clients_that_never_read(void **state)
{
    enum { SILENT = 8, OF_EACH = 16 /* KiB; each sends hundreds */ };
    static struct server server;
    int fds[SILENT];
    size_t sent[SILENT];

    (void)state;
    server_start(&server, "never_read", 0);
    int bystander = client_connect(&server);
    exchange(bystander, SILENT, 0, MESSAGE);
    long memory = server_memory(&server);
    for (unsigned i = 0; i < SILENT; i++) {
        fds[i] = client_connect(&server);
        sent[i] = stuff(&server, fds[i], i);
        assert_true(sent[i] > 4 * OF_EACH * 1024);
        exchange(bystander, SILENT, (i + 1) * MESSAGE, MESSAGE);
    }
    long grown = server_memory(&server) - memory;
    if (!SHADOWED && grown > SILENT * OF_EACH + 128)
        fail_msg("%d clients that never read make the server grow by %ld KiB", SILENT, grown);
    for (unsigned i = 0; i < SILENT; i++) { /* now they read all the same */
        shutdown(fds[i], SHUT_WR);
        receive_bytes(fds[i], i, 0, sent[i]);
        assert_at_end(fds[i]);
        close(fds[i]);
    }
    close(bystander);
    server_stop(&server, "never_read");
}

/* The server waits to write when the reset comes: an error must wake the writer too. */
static void test_reset_of_one_that_never_read(void **state)
{
    static struct server server;

    (void)state;
    server_start(&server, "stuffed_reset", 0);
    int bystander = client_connect(&server);
    exchange(bystander, 1, 0, MESSAGE);
    unsigned descriptors = server_descriptors(&server);
    int fd = client_connect(&server);
    stuff(&server, fd, 0);
    client_reset(fd);
    while (server_descriptors(&server) > descriptors)
        look_again();
    close(bystander);
    server_stop(&server, "stuffed_reset");
    assert_non_null(strstr(server.program.text, "1 connections broke"));
}

/* --- too many --- */

enum { DESCRIPTORS = 32, TOO_MANY = 60 };

/* Those who were accepted go on; the server tries again now and then, and each of these tries is one accept4. */
static void assert_served_without_spinning(struct server *server, const int *fds, unsigned served)
{
    size_t at = MESSAGE;
    unsigned refused = 0;
    double began = milliseconds();

    server_calls(server, TRACE_CALL_ACCEPT, INT64_MAX); /* forget those so far */
    for (; refused < 3; refused += server_calls(server, TRACE_CALL_ACCEPT, INT64_MAX), at += MESSAGE)
        for (unsigned i = 0; i < served; i++)
            exchange(fds[i], i, at, MESSAGE);
    double took = milliseconds() - began;
    if (refused > took / PAUSE_MS + 1)
        fail_msg("out of descriptors, it calls accept4 %u times in %.0f ms", refused, took);
}

static void test_out_of_descriptors(void **state)
{
    static struct server server;
    int fds[TOO_MANY];
    unsigned served = 0;

    (void)state;
    server_start(&server, "descriptors", DESCRIPTORS);
    for (unsigned i = 0; i < TOO_MANY; i++) {
        fds[i] = client_connect(&server);
        send_bytes(fds[i], i, 0, MESSAGE);
    }
    program_wait_for_text(&server.program, "are being served.\n");
    assert_int_equal(sscanf(strstr(server.program.text, "wait. "), "wait. %u", &served), 1);
    assert_in_range(served, DESCRIPTORS - 16, DESCRIPTORS - 1);
    for (unsigned i = 0; i < served; i++)
        receive_bytes(fds[i], i, 0, MESSAGE);
    assert_served_without_spinning(&server, fds, served);
    for (unsigned i = served; i < TOO_MANY; i++)
        assert_nothing_came(fds[i]);

    for (unsigned gone = 0; served < TOO_MANY;) { /* as many as leave can come */
        unsigned leave = TOO_MANY - served < 12 ? TOO_MANY - served : 12;
        for (unsigned i = 0; i < leave; i++)
            close(fds[gone++]);
        for (unsigned i = 0; i < leave; i++, served++)
            receive_bytes(fds[served], served, 0, MESSAGE);
        if (served == TOO_MANY)
            for (; gone < TOO_MANY; gone++)
                close(fds[gone]);
    }
    server_stop(&server, "descriptors");
    assert_non_null(strstr(server.program.text, "Descriptors are free again"));
}

/* --- greedy --- */

/* The most recv calls in one poll of a task, on any of the server's threads. */
enum { THREADS = 256 };

static unsigned most_reads_in_a_poll(struct server *server)
{
    unsigned most = 0, reads_of[THREADS] = {0};
    uint64_t at = 0;

    for (const struct record *record; (record = server_event(server, &at));) {
        unsigned *reads = &reads_of[record->thread % THREADS];
        if (record->kind == TRACE_TASK_POLL_BEGIN)
            *reads = 0;
        else if (record->kind == TRACE_SYSCALL_END && record->a == TRACE_CALL_RECV)
            ++*reads;
        most = *reads > most ? *reads : most;
    }
    return most;
}

/* While the server stands still, one client sends all that the kernel takes, and then another one sends a little. */
static void test_a_greedy_client(void **state)
{
    static struct server server;
    int status;

    (void)state;
    server_start(&server, "greedy", 0);
    int greedy = client_connect(&server), modest = client_connect(&server);
    exchange(greedy, 0, 0, 1);
    exchange(modest, 1, 0, 1);
    kill(server.program.pid, SIGSTOP);
    assert_int_equal(waitpid(server.program.pid, &status, WUNTRACED), server.program.pid);
    size_t sent = send_what_fits(greedy, 0, 1);
    send_bytes(modest, 1, 1, MESSAGE);
    kill(server.program.pid, SIGCONT);
    receive_bytes(modest, 1, 1, MESSAGE);
    receive_bytes(greedy, 0, 1, sent - 1);
    assert_true(sent > 4 * ROUNDS_PER_POLL * 1024);
    assert_int_equal(most_reads_in_a_poll(&server), ROUNDS_PER_POLL);
    close(greedy);
    close(modest);
    server_stop(&server, "greedy");
}

/* The server closed its connection first, and the kernel still remembers it: a new one gets the port all the same. */
static void test_the_same_port_again(void **state)
{
    static struct server server;
    static struct program again;
    char port[16];

    (void)state;
    server_start(&server, "again", 0);
    int fd = client_connect(&server);
    exchange(fd, 0, 0, MESSAGE);
    server_stop(&server, "again");
    assert_at_end(fd);
    close(fd);
    snprintf(port, sizeof port, "%d", server.port);
    program_start(&again, (const char *const[]){demo("echo_server"), "--serve", "--port", port, NULL}, NULL, 0);
    program_wait_for_text(&again, "Serving on port");
    kill(again.pid, SIGTERM);
    assert_int_equal(program_end(&again), 0);
}

/* --- run alone --- */

static void check_all_recordings(const char *pattern)
{
    glob_t found;

    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 2); /* the server's, and the clients' */
    for (size_t i = 0; i < found.gl_pathc; i++)
        recording_check(found.gl_pathv[i]);
    globfree(&found);
}

static void test_alone(void **state)
{
    const char *const argv[] = {demo("echo_server"), NULL};
    static struct program program;

    (void)state;
    assert_int_equal(program_run(&program, argv, scratch("alone")), 0);
    assert_non_null(strstr(program.text, "All 1000 clients are connected."));
    assert_non_null(strstr(program.text, "400000 bytes came back as they were sent"));
    assert_non_null(strstr(program.text, "accepted 1000 connections, at most 1000 at once, and sent 400000 bytes"));
    check_all_recordings(scratch("alone*"));
}

static void test_alone_with_few_descriptors(void **state)
{
    const char *const argv[] = {demo("echo_server"), "--connections", "5000", NULL};
    static struct program program;

    (void)state;
    program_start(&program, argv, NULL, 64);
    assert_int_equal(program_end(&program), 0);
    assert_non_null(strstr(program.text, "allows no more than 48 connections instead of 5000"));
    assert_non_null(strstr(program.text, "All 48 clients are connected."));
}

static void assert_refused(const char *option, const char *value, int status, const char *says)
{
    const char *const argv[] = {demo("echo_server"), option, value, NULL};
    static struct program program;

    assert_int_equal(program_run(&program, argv, NULL), status);
    assert_non_null(strstr(program.text, says));
}

static void test_bad_options(void **state)
{
    static struct server server;
    char port[16];

    (void)state;
    assert_refused("--port", "70000", 2, "usage:");
    assert_refused("--port", "7x", 2, "usage:");
    assert_refused("--connections", "0", 2, "usage:");
    assert_refused("--serve", "7", 2, "usage:");
    assert_refused("--help", NULL, 0, "usage:");
    server_start(&server, "taken", 0);
    snprintf(port, sizeof port, "%d", server.port);
    assert_refused("--port", port, 1, "Address already in use");
    server_stop(&server, "taken");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ten_thousand_connections),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_resets),
        cmocka_unit_test(test_clients_that_never_read),
        cmocka_unit_test(test_reset_of_one_that_never_read),
        cmocka_unit_test(test_out_of_descriptors),
        cmocka_unit_test(test_a_greedy_client),
        cmocka_unit_test(test_the_same_port_again),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_alone_with_few_descriptors),
        cmocka_unit_test(test_bad_options),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
