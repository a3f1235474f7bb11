/* The demos: each runs alone, ends by itself, says what it is there to show, and makes a recording in which no contract
 * is broken. */
#include "support_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct program program;

/* Its recording goes to a file that bears the demo's name. argument: NULL for none. */
static const char *runs(const char *name, const char *argument)
{
    const char *const argv[] = {demo(name), argument, NULL};
    int status = program_run(&program, argv, scratch(name));

    if (status != 0)
        fail_msg("%s ends with %d and says:\n%s", name, status, program.text);
    recording_check(scratch(name));
    return program.text;
}

static void says(const char *output, const char *text)
{
    if (!strstr(output, text))
        fail_msg("it does not say '%s', but:\n%s", text, output);
}

static unsigned times(const char *output, const char *text)
{
    unsigned count = 0;
    while ((output = strstr(output, text)) && *output++)
        count++;
    return count;
}

static void test_steal(void **state)
{
    (void)state;
    const char *output = runs("steal", NULL);
    says(output, "spawned 100 pieces of work there.\n");
    says(output, " 0 of 2 workers had nothing to do.\n");

    output = runs("steal", "1");
    says(output, "worker 1  ended 100 of them\n");
}

static long number_behind(const char *output, const char *line, const char *words)
{
    const char *at = strstr(output, line);
    assert_non_null(at);
    at = strstr(at, words);
    assert_non_null(at);
    return strtol(at + strlen(words), NULL, 10);
}

static void test_fairness(void **state)
{
    (void)state;
    const char *output = runs("fairness", NULL);
    assert_in_range(number_behind(output, "beside two", "at most"), 2, 4);
    assert_in_range(number_behind(output, "beside one", "at most"), 0, 1);
    assert_int_equal(number_behind(output, "which read", "at most"), 64);
    assert_in_range(number_behind(output, "beside 200", "at most"), 190, 201);
    assert_in_range(number_behind(output, "from outside", "usually"), 1, 200);
}

/* The one planted fault is found, with its line. */
static void finds_the_long_poll(void)
{
    /* On a fast machine a piece of work takes less than the 10 ms that are long by default. */
    const char *const argv[] = {lifeline(), "check", "--long-poll", "1", scratch("cpu_bound"), NULL};

    if (access(argv[0], X_OK) != 0)
        return; /* a stage that was copied out alone */
    assert_int_equal(program_run(&program, argv, NULL), 0);
    says(program.text, "warning[long-poll]");
    says(program.text, "in whole_poll\n");
}

static void test_cpu_bound(void **state)
{
    (void)state;
    const char *output = runs("cpu_bound", NULL);
    says(output, "in one piece:");
    says(output, "in slices of 5 us:");
    says(output, "a thread computes:");
    finds_the_long_poll();
}

static void test_echo_server(void **state)
{
    const char *const argv[] = {demo("echo_server"), "--connections", "200", NULL};

    (void)state;
    assert_int_equal(program_run(&program, argv, scratch("echo_server")), 0);
    recording_check(scratch("echo_server"));
    says(program.text, "All 200 clients are connected.");
    says(program.text, "80000 bytes came back as they were sent");
    says(program.text, "accepted 200 connections, at most 200 at once, and sent 80000 bytes back.");
    says(program.text, "Worker 1 polled ");
}

/* --- read_socket: the recording tells how often the task was polled, and where --- */

/* Where docs/recording.md says that these stand. */
enum { AT_CHUNK_SIZE = 20, AT_CHUNKS_OFFSET = 56, CHUNK_HEADER = 32 };

/* How many polls there are in a recording of one task, on whichever workers. Each thread has chunks of its own, and
 * not all of a chunk need be used. */
static unsigned polls_recorded(const char *path)
{
    struct recording recording;
    unsigned polls = 0;
    uint64_t chunks_offset;
    uint32_t chunk_size;

    recording_open(&recording, path);
    memcpy(&chunk_size, recording.bytes + AT_CHUNK_SIZE, sizeof chunk_size);
    memcpy(&chunks_offset, recording.bytes + AT_CHUNKS_OFFSET, sizeof chunks_offset);
    for (size_t at = chunks_offset; at < recording.size; at += sizeof(struct record)) {
        const struct record *record = (const struct record *)(recording.bytes + at);
        if ((at - chunks_offset) % chunk_size < CHUNK_HEADER || record->kind != TRACE_TASK_POLL_BEGIN)
            continue;
        assert_true(record->worker != 0);
        polls++;
    }
    recording_close(&recording);
    return polls;
}

static void test_read_socket(void **state)
{
    static const struct {
        const char *story, *says;
        unsigned polls;
    } stories[] = {{NULL, "20 bytes:\nhello from the peer\n", 2},
                   {"already", "20 bytes:\nhello from the peer\n", 1},
                   {"twice", "34 bytes:\nhello from the peer\nand once more\n", 3},
                   {"reset", "Connection reset by peer", 2}};

    (void)state;
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof stories / sizeof *stories; i++) {
            says(runs("read_socket", stories[i].story), stories[i].says);
            assert_int_equal(polls_recorded(scratch("read_socket")), stories[i].polls);
        }
}

/* --- arguments --- */

static void test_arguments(void **state)
{
    static const char *const names[] = {"read_socket", "steal", "fairness", "cpu_bound", "echo_server"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *const help[] = {demo(names[i]), "--help", NULL}, *const bad[] = {demo(names[i]), "--bad", NULL};
        assert_int_equal(program_run(&program, help, NULL), 0);
        says(program.text, "TRACE=run.trace");
        assert_int_equal(program_run(&program, bad, NULL), 2);
        assert_true(times(program.text, "\n") >= 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steal),       cmocka_unit_test(test_fairness),    cmocka_unit_test(test_cpu_bound),
        cmocka_unit_test(test_echo_server), cmocka_unit_test(test_read_socket), cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
