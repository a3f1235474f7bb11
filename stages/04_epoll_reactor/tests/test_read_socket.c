/* read_socket's four stories: each records the life of the future as it is in that story and nothing besides, and the
 * system calls in the recording are those that strace sees. */
#define _GNU_SOURCE
#include "support_program.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What happened, one word an event. */
struct journal {
    char lines[100][64];
    size_t count;
};

__attribute__((format(printf, 2, 3))) static void journal_add(struct journal *journal, const char *format, ...)
{
    va_list args;

    assert_true(journal->count < 100);
    va_start(args, format);
    vsnprintf(journal->lines[journal->count++], sizeof journal->lines[0], format, args);
    va_end(args);
}

static void assert_journals_equal(const struct journal *found, const struct journal *expected)
{
    for (size_t i = 0; i < found->count || i < expected->count; i++) {
        const char *is = i < found->count ? found->lines[i] : "nothing more";
        const char *should = i < expected->count ? expected->lines[i] : "nothing more";
        if (strcmp(is, should) != 0)
            fail_msg("line %zu: '%s' instead of '%s'", i + 1, is, should);
    }
}

/* --- recorded --- */

static const char *call_name(uint32_t call)
{
    static const char *const names[] = {
#define X(number, NAME, name, args) [number] = name,
        TRACE_CALLS(X)
#undef X
    };
    assert_in_range(call, 1, sizeof names / sizeof names[0] - 1);
    return names[call];
}

/* "recv 5 = -EAGAIN" */
static void add_call(struct journal *journal, const char *name, int fd, int64_t result)
{
    if (result < 0)
        journal_add(journal, "%s %d = -%s", name, fd, strerrorname_np((int)-result));
    else
        journal_add(journal, "%s %d = %d", name, fd, (int)result);
}

/* The system calls between the runtime's start and its end. */
static void recorded_calls(const char *path, struct journal *journal)
{
    struct recording recording;
    const struct record *record;
    int fd = 0;

    recording_open(&recording, path);
    while ((record = recording_next(&recording)) && record->kind != TRACE_RUNTIME_END) {
        if (record->kind == TRACE_SYSCALL_BEGIN)
            fd = (int)(uint32_t)record->b;
        if (record->kind == TRACE_SYSCALL_END)
            add_call(journal, call_name(record->a), fd, (int64_t)record->b);
    }
    assert_non_null(record);
    recording_close(&recording);
}

/* --- seen by strace --- */

/* The name that the recording has for the call which the kernel knows by this one. */
static const char *library_name(const char *name)
{
    static const char *const names[][2] = {{"recvfrom", "recv"},
                                           {"sendto", "send"},
                                           {"eventfd2", "eventfd"},
                                           {"epoll_pwait", "epoll_wait"},
                                           {"epoll_pwait2", "epoll_wait"}};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i][0]) == 0)
            return names[i][1];
    return name;
}

/* The descriptor in question: of epoll_ctl the third argument, else the first. */
static int fd_in(const char *name, const char *arguments)
{
    if (strcmp(name, "epoll_ctl") == 0)
        arguments = strchr(strchr(arguments, ',') + 1, ',') + 1;
    return atoi(arguments);
}

/* A call as strace shows it, whole: `recvfrom(6, 0x56433f8b2358, 64, 0, NULL, NULL) = -1 EAGAIN (Resource ...)`. */
static void add_strace_call(struct journal *journal, char *line)
{
    char *arguments = strchr(line, '('), *equals = NULL, error[32];

    assert_non_null(arguments);
    *arguments++ = '\0';
    for (char *next = arguments; (next = strstr(next, ") ")); next++)
        if (strspn(next + 2, " ") + 2 == strcspn(next, "="))
            equals = strchr(next, '=');
    assert_non_null(equals);
    const char *name = library_name(line);
    if (sscanf(equals, "= -1 %31s", error) == 1)
        journal_add(journal, "%s %d = -%s", name, fd_in(name, arguments), error);
    else
        journal_add(journal, "%s %d = %d", name, fd_in(name, arguments), atoi(equals + 1));
}

/* A call during which another process was shown comes in two halves: `close(6 <unfinished ...>`, `<... close resumed>) = 0`.
 * True if the line ends a call; then `whole` is all of it. */
static bool join_halves(const char *line, char *whole, size_t size)
{
    const char *unfinished = strstr(line, " <unfinished ...>");
    const char *resumed = strncmp(line, "<... ", 5) == 0 ? strstr(line, " resumed>") : NULL;
    size_t used = resumed ? strlen(whole) : 0;

    if (unfinished)
        snprintf(whole, size, "%.*s", (int)(unfinished - line), line);
    else
        snprintf(whole + used, size - used, "%s", resumed ? resumed + strlen(" resumed>") : line);
    return !unfinished;
}

/* The calls of a process, from epoll_create1 on, which is the runtime's first, to wait4, which comes after its end. */
static void strace_calls(const char *path, uint32_t pid, struct journal *journal)
{
    char line[1024], whole[1024] = "";
    uint32_t line_pid;
    int text;
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%u %n", &line_pid, &text) != 1 || line_pid != pid ||
            !strchr("<abcdefghijklmnopqrstuvwxyz", line[text]))
            continue;
        if (strncmp(line + text, "wait4", 5) == 0)
            break;
        if (!join_halves(line + text, whole, sizeof whole))
            continue;
        if (journal->count > 0 || strncmp(whole, "epoll_create1", 13) == 0)
            add_strace_call(journal, whole);
    }
    fclose(file);
}

static void skip_without_strace(void)
{
    const char *const argv[] = {"strace", "-o", "/dev/null", "true", NULL};
    static struct program strace;

    if (program_run(&strace, argv, NULL) == 0)
        return;
    print_message("there is no strace, or it is not allowed to trace: %s\n", strace.text);
    skip();
}

static void agrees_with_strace(const char *story)
{
    static const char calls[] = "trace=socket,bind,listen,getsockname,getsockopt,accept4,connect,recvfrom,sendto,"
                                "shutdown,close,epoll_create1,epoll_ctl,/^epoll_p?wait2?$,eventfd2,wait4";
    const char *trace = scratch("strace.trace"), *log = scratch("strace.log");
    const char *const argv[] = {"strace", "-f", "-o", log, "-e", calls, demo("read_socket"), story, NULL};
    struct journal recorded = {.count = 0}, seen = {.count = 0};
    struct recording recording;
    static struct program program;

    skip_without_strace();
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* it cannot look for leaks in a process that is traced */
    int status = program_run(&program, argv, trace);
    unsetenv("ASAN_OPTIONS");
    if (status != 0)
        fail_msg("exit %d:\n%s", status, program.text);
    recorded_calls(trace, &recorded);
    recording_open(&recording, trace);
    strace_calls(log, recording_pid(&recording), &seen);
    recording_close(&recording);
    assert_true(seen.count > 5);
    assert_journals_equal(&recorded, &seen);
}

/* --- the stories --- */

/* What of the recording is the story; the rest is the same each time. */
static void add_event(struct journal *journal, const struct record *record)
{
    switch (record->kind) {
    case TRACE_RUNTIME:
        journal_add(journal, "runtime");
        break;
    case TRACE_TASK_SPAWN:
        journal_add(journal, "spawn");
        break;
    case TRACE_QUEUE_PUSH:
        journal_add(journal, "push");
        break;
    case TRACE_QUEUE_POP:
        journal_add(journal, record->task ? "pop" : "empty");
        break;
    case TRACE_TASK_POLL_BEGIN:
        journal_add(journal, "poll %d", (int)record->b);
        break;
    case TRACE_TASK_POLL_END:
        journal_add(journal, record->b ? "ready" : "pending");
        break;
    case TRACE_REGISTER_BEGIN:
        journal_add(journal, "register");
        break;
    case TRACE_WAIT:
        journal_add(journal, "wait");
        break;
    case TRACE_SYSCALL_END:
        if (record->a == TRACE_CALL_RECV)
            journal_add(journal, (int64_t)record->b < 0 ? "recv -%s" : "recv bytes", strerrorname_np(-(int)record->b));
        else if (record->a == TRACE_CALL_EPOLL_CTL)
            journal_add(journal, "epoll_ctl");
        else if (record->a == TRACE_CALL_EPOLL_WAIT)
            journal_add(journal, "event");
        break;
    case TRACE_SYSCALL_BEGIN:
        if (record->a == TRACE_CALL_EPOLL_WAIT)
            journal_add(journal, "sleep");
        break;
    case TRACE_WAKE_BEGIN:
        journal_add(journal, "wake");
        break;
    case TRACE_FUTURE_DROP:
        journal_add(journal, "drop");
        break;
    case TRACE_RUNTIME_END:
        journal_add(journal, "end");
        break;
    }
}

static void assert_story(const char *story, const char *says, const char *const *expected)
{
    const char *trace = scratch("story.trace");
    const char *const argv[] = {demo("read_socket"), story, NULL};
    struct journal found = {.count = 0}, should = {.count = 0};
    static struct program program;
    struct recording recording;

    assert_int_equal(program_run(&program, argv, trace), 0);
    assert_non_null(strstr(program.text, says));
    recording_open(&recording, trace);
    assert_int_equal(recording_next(&recording)->kind, TRACE_THREAD);
    for (const struct record *record; (record = recording_next(&recording));)
        add_event(&found, record);
    recording_close(&recording);
    for (; *expected; expected++)
        journal_add(&should, "%s", *expected);
    assert_journals_equal(&found, &should);
    recording_check(trace);
}

/* The beginning and the end of each story. */
#define START      "runtime", "epoll_ctl", "spawn", "push", "pop", "poll 1"
#define REGISTERED "recv -EAGAIN", "register", "epoll_ctl", "wait", "pending"
#define SLEEPS     "empty", "sleep", "event", "wake", "push", "pop"
#define LEAVES     "ready", "drop"

static void test_asleep(void **state)
{
    (void)state;
    assert_story(NULL, "hello from the peer\n",
                 (const char *const[]){START, REGISTERED, SLEEPS, "poll 2", "recv bytes", "drop", LEAVES, "epoll_ctl",
                                       "end", NULL});
}

/* Nothing waits, and so nothing is registered. */
static void test_already(void **state)
{
    (void)state;
    assert_story("already", "hello from the peer\n",
                 (const char *const[]){START, "recv bytes", "drop", LEAVES, "end", NULL});
}

/* The second wait needs no second registration. */
static void test_twice(void **state)
{
    (void)state;
    assert_story("twice", "hello from the peer\nand once more\n",
                 (const char *const[]){START, REGISTERED, SLEEPS, "poll 2", "recv bytes", "drop", "recv -EAGAIN",
                                       "wait", "pending", SLEEPS, "poll 3", "recv bytes", "drop", LEAVES, "epoll_ctl",
                                       "end", NULL});
}

static void test_reset(void **state)
{
    (void)state;
    assert_story("reset", "Connection reset by peer",
                 (const char *const[]){START, REGISTERED, SLEEPS, "poll 2", "recv -ECONNRESET", "drop", LEAVES,
                                       "epoll_ctl", "end", NULL});
}

static void test_strace_asleep(void **state)
{
    (void)state;
    agrees_with_strace("asleep");
}

static void test_strace_already(void **state)
{
    (void)state;
    agrees_with_strace("already");
}

static void test_strace_twice(void **state)
{
    (void)state;
    agrees_with_strace("twice");
}

static void test_strace_reset(void **state)
{
    (void)state;
    agrees_with_strace("reset");
}

/* The peer holds the end of the pipe that we read: it comes to its end only when the peer has gone, too. */
static void test_killed_before_it_reads(void **state)
{
    const char *const argv[] = {
        "strace", "-o", "/dev/null", "-e", "trace=accept4", "-e", "inject=accept4:signal=KILL", demo("read_socket"),
        NULL};
    static struct program program;

    (void)state;
    skip_without_strace();
    assert_int_equal(program_run(&program, argv, NULL), 128 + SIGKILL);
}

static void test_bad_argument(void **state)
{
    const char *const bad[] = {demo("read_socket"), "never", NULL}, *const help[] = {demo("read_socket"), "--help",
                                                                                     NULL};
    static struct program program;

    (void)state;
    assert_int_equal(program_run(&program, bad, NULL), 2);
    assert_int_equal(program_run(&program, help, NULL), 0);
    assert_non_null(strstr(program.text, "already"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asleep),        cmocka_unit_test(test_already),
        cmocka_unit_test(test_twice),         cmocka_unit_test(test_reset),
        cmocka_unit_test(test_strace_asleep), cmocka_unit_test(test_strace_already),
        cmocka_unit_test(test_strace_twice),  cmocka_unit_test(test_strace_reset),
        cmocka_unit_test(test_bad_argument),  cmocka_unit_test(test_killed_before_it_reads),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
