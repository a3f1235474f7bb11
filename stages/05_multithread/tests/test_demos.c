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

static void test_hello_workers(void **state)
{
    (void)state;
    const char *output = runs("hello_workers", NULL);
    assert_int_equal(times(output, "hello from task"), 8);
    assert_int_equal(times(output, "goodbye from task"), 8);
    assert_int_equal(times(output, "another one"), 0);
    says(output, "its number is 0");

    output = runs("hello_workers", "1");
    assert_int_equal(times(output, "on worker 1\n"), 16);
}

static void test_spawn_from_anywhere(void **state)
{
    (void)state;
    const char *output = runs("spawn_from_anywhere", NULL);
    says(output, "spawned from main,     runs on worker ");
    says(output, "on the same worker as the task that spawned it\n");
    says(output, "spawned from a thread, runs on worker ");
    says(output, "spawned too late:       Cannot send after transport endpoint shutdown");
}

static void test_imbalance(void **state)
{
    (void)state;
    const char *output = runs("imbalance", NULL);
    says(output, " ended 100 of them\n");
    says(output, " ended   0 of them\n");
    says(output, "1 of 2 workers had nothing to do.\n");
}

static double latest_tick(const char *output, const char *where)
{
    const char *line = strstr(output, where);
    assert_non_null(line);
    return strtod(strstr(line, "latest tick") + strlen("latest tick"), NULL);
}

/* The one planted fault is found, with its line. */
static void finds_the_long_poll(void)
{
    const char *const argv[] = {lifeline(), "check", scratch("blocked_worker"), NULL};

    if (access(argv[0], X_OK) != 0)
        return; /* a stage that was copied out alone */
    assert_int_equal(program_run(&program, argv, NULL), 0);
    says(program.text, "warning[long-poll]");
    says(program.text, "in blocker_poll\n");
}

static void test_blocked_worker(void **state)
{
    (void)state;
    const char *output = runs("blocked_worker", NULL);
    double blocked = latest_tick(output, "where one call blocked"), other = latest_tick(output, "with nothing else");

    assert_true(blocked >= 139.9); /* due 10 ms after the call began, which took 150 */
    assert_true(other < blocked);
    finds_the_long_poll();
}

static void test_scaling(void **state)
{
    (void)state;
    const char *output = runs("scaling", "2");
    says(output, "\n        1 ");
    says(output, "\n        2 ");
    says(output, "1.00x");
}

/* --- read_socket: the recording tells how often the task was polled, and where --- */

/* Where docs/recording.md says that these stand. */
enum { AT_CHUNK_SIZE = 20, AT_CHUNKS_OFFSET = 56, CHUNK_HEADER = 32 };

/* How many polls there are in a recording of one task; all of them on one worker. Each thread has chunks of its own, and
 * not all of a chunk need be used. */
static unsigned polls_recorded(const char *path)
{
    struct recording recording;
    unsigned polls = 0, worker = 0;
    uint64_t chunks_offset;
    uint32_t chunk_size;

    recording_open(&recording, path);
    memcpy(&chunk_size, recording.bytes + AT_CHUNK_SIZE, sizeof chunk_size);
    memcpy(&chunks_offset, recording.bytes + AT_CHUNKS_OFFSET, sizeof chunks_offset);
    for (size_t at = chunks_offset; at < recording.size; at += sizeof(struct record)) {
        const struct record *record = (const struct record *)(recording.bytes + at);
        if ((at - chunks_offset) % chunk_size < CHUNK_HEADER || record->kind != TRACE_TASK_POLL_BEGIN)
            continue;
        assert_true(record->worker != 0 && (polls == 0 || record->worker == worker));
        worker = record->worker;
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
    static const char *const names[] = {"hello_workers", "spawn_from_anywhere", "imbalance", "blocked_worker",
                                        "scaling",       "read_socket"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *const help[] = {demo(names[i]), "--help", NULL}, *const bad[] = {demo(names[i]), "--bad", NULL};
        assert_int_equal(program_run(&program, help, NULL), 0);
        says(program.text, "TRACE=run.trace");
        assert_int_equal(program_run(&program, bad, NULL), 2);
        assert_int_equal(times(program.text, "\n"), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello_workers), cmocka_unit_test(test_spawn_from_anywhere),
        cmocka_unit_test(test_imbalance),     cmocka_unit_test(test_blocked_worker),
        cmocka_unit_test(test_scaling),       cmocka_unit_test(test_read_socket),
        cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
