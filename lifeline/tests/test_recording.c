/* The reader believes nothing: whatever the bytes are, it reads them or says in one line what is wrong. */
#include "../commands.h"
#include "../describe.h"
#include "../tally.h"
#include "judged.h"
#include "scenes.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static struct script s;

static void start_small(void)
{
    script_start(&s);
    scenes[1].write(&s);
}

static void write_bytes(const unsigned char *bytes, size_t size)
{
    FILE *file = fopen(scratch_path(), "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Opens the scratch file and, when that works, does with it all that the commands do. */
static int open_scratch(char *error, size_t size)
{
    struct recording rec;
    struct check check;
    struct tally tally;
    char words[DESCRIBE_SIZE];
    int status = recording_open(&rec, scratch_path(), error, size);

    if (status)
        return status;
    for (size_t i = 0; i < rec.count; i++)
        describe_args(&rec, &rec.events[i], words, sizeof words);
    check_run(&check, &rec);
    check_free(&check);
    tally_run(&tally, &rec, 1000);
    tally_free(&tally);
    recording_close(&rec);
    return 0;
}

static void assert_refused(const unsigned char *bytes, size_t size, const char *reason)
{
    char error[256] = "";

    write_bytes(bytes, size);
    assert_true(open_scratch(error, sizeof error) < 0);
    assert_null(strchr(error, '\n'));
    if (!strstr(error, reason))
        fail_msg("\"%s\" does not say \"%s\"", error, reason);
    unlink(scratch_path());
}

static void whole_file_is_read(void **state)
{
    struct judged j;

    (void)state;
    start_small();
    judge_script(&j, &s);
    assert_int_equal(j.rec.count, s.count);
    assert_string_equal(j.rec.program, "script");
    assert_int_equal(j.rec.pid, 42);
    assert_true(j.rec.ended_in_order);
    assert_int_equal(j.rec.threads, 1);
    assert_int_equal(j.rec.tasks, 2);
    assert_string_equal(task_type(&j.rec, 1), "parent");
    assert_string_equal(future_type(&j.rec, 2), "child");
    assert_int_equal(j.rec.events[0].time, 1000);
    judged_free(&j);
}

/* Every length but the whole one: too short to be a recording, or cut. */
static void cut_files_are_refused(void **state)
{
    size_t size;
    unsigned char *bytes;

    (void)state;
    start_small();
    bytes = script_bytes(&s, &size);
    assert_refused(bytes, 0, "is empty");
    for (size_t cut = 1; cut < size; cut++)
        assert_refused(bytes, cut, cut < 8 ? "is not a recording" : "is cut short");
    free(bytes);
}

static void other_files_are_refused(void **state)
{
    size_t size;
    unsigned char *bytes;
    struct format_header *header;

    (void)state;
    start_small();
    bytes = script_bytes(&s, &size);
    header = (struct format_header *)bytes;
    header->version = 2;
    assert_refused(bytes, size, "version 2");
    header->version = 1;
    header->byte_order = 0x04030201;
    assert_refused(bytes, size, "other byte order");
    header->byte_order = 0x01030204;
    assert_refused(bytes, size, "byte order mark");
    memcpy(header->magic, "wakefull", 8);
    assert_refused(bytes, size, "does not begin with \"wakeful\"");
    free(bytes);
}

static void damaged_headers_are_refused(void **state)
{
    static const struct {
        size_t offset;
        const char *reason;
    } fields[] = {
        {16, "records of"}, {20, "chunks of"}, {24, "sites"},  {28, "sites"},  {32, "sites"},
        {44, "strings"},    {52, "strings"},   {56, "chunks"}, {60, "chunks"},
    };
    size_t size;
    unsigned char *bytes;

    (void)state;
    start_small();
    bytes = script_bytes(&s, &size);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        uint32_t saved, wrong = 0xfffffff1;

        memcpy(&saved, bytes + fields[i].offset, 4);
        memcpy(bytes + fields[i].offset, &wrong, 4);
        assert_refused(bytes, size, fields[i].reason);
        memcpy(bytes + fields[i].offset, &saved, 4);
    }
    ((struct format_header *)bytes)->ns_per_tick = 0;
    assert_refused(bytes, size, "how long a tick lasts");
    free(bytes);
}

/* A site that is not in the table is "none", and so is a string behind the end of the strings. */
static void wild_numbers_are_harmless(void **state)
{
    struct judged j;

    (void)state;
    start_small();
    for (size_t i = 0; i < s.count; i++)
        s.records[i].site = 65535;
    s.records[2].a = 0xffffffff;
    s.records[4].task = 0xffffffff;
    judge_script(&j, &s);
    assert_int_equal(event_place(&j.rec, &j.rec.events[3])->line, 0);
    assert_string_equal(event_place(&j.rec, &j.rec.events[3])->file, "");
    assert_int_equal(j.rec.events[3].site, 0);
    assert_string_equal(task_type(&j.rec, 0xffffffff), "parent");
    judged_free(&j);
}

static void uncommitted_records_are_skipped(void **state)
{
    struct judged j;

    (void)state;
    start_small();
    s.records[5].kind = 0;
    judge_script(&j, &s);
    assert_int_equal(j.rec.count, s.count - 1);
    judged_free(&j);
}

/* ---- random bytes */

static uint64_t random_state;

static uint32_t random_next(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33);
}

static void random_bytes_are_harmless(void **state)
{
    static unsigned char bytes[20000];
    char error[256];

    (void)state;
    for (unsigned seed = 0; seed < 200; seed++) {
        random_state = seed;
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (unsigned char)random_next();
        write_bytes(bytes, random_next() % sizeof bytes);
        assert_true(open_scratch(error, sizeof error) < 0);
    }
    unlink(scratch_path());
}

/* A real recording with some bytes changed, so that it gets past the header most of the time. */
static void changed_bytes_are_harmless(void **state)
{
    char error[256];

    (void)state;
    for (unsigned seed = 0; seed < 2000; seed++) {
        size_t size;
        unsigned char *bytes;
        unsigned changes;

        random_state = seed;
        script_start(&s);
        scenes[random_next() % 6].write(&s);
        s.killed = random_next() % 2;
        bytes = script_bytes(&s, &size);
        changes = 1 + random_next() % 20;
        for (unsigned i = 0; i < changes; i++) {
            size_t in_records = size - random_next() % (s.count * 32);
            size_t anywhere = random_next() % size;

            bytes[random_next() % 4 ? in_records - 1 : anywhere] = (unsigned char)random_next();
        }
        write_bytes(bytes, size);
        open_scratch(error, sizeof error);
        free(bytes);
    }
    unlink(scratch_path());
}

/* ---- exit status, of each command */

static char output[65536];

/* Runs a command on the scratch file in a process of its own. Returns its exit status; output: what it printed. */
static int run(int (*command)(int argc, char **argv), const char *argument)
{
    char name[] = "command", path[300], option[100];
    char *argv[] = {name, argument ? option : path, argument ? path : NULL, NULL};
    int pipes[2], status;
    size_t used = 0;
    pid_t child;

    snprintf(path, sizeof path, "%s", scratch_path());
    snprintf(option, sizeof option, "%s", argument ? argument : "");
    assert_int_equal(pipe(pipes), 0);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        dup2(pipes[1], STDOUT_FILENO);
        dup2(pipes[1], STDERR_FILENO);
        close(pipes[0]);
        close(pipes[1]);
        status = command(argument ? 3 : 2, argv);
        fflush(stdout);
        _exit(status);
    }
    close(pipes[1]);
    for (ssize_t n; (n = read(pipes[0], output + used, sizeof output - 1 - used)) > 0;)
        used += (size_t)n;
    output[used] = '\0';
    close(pipes[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void exit_statuses(void **state)
{
    (void)state;
    start_small();
    script_write(&s, scratch_path());
    assert_int_equal(run(check_main, NULL), 0);
    assert_int_equal(run(stats_main, NULL), 0);
    assert_int_equal(run(dump_main, NULL), 0);
    assert_int_equal(run(check_main, "--nonsense"), 2);
    assert_non_null(strstr(output, "no option --nonsense"));

    s.killed = true;
    script_write(&s, scratch_path());
    assert_int_equal(run(check_main, NULL), 3);
    assert_non_null(strstr(output, "killed or crashed"));

    s.killed = false;
    s.dropped = 5;
    script_write(&s, scratch_path());
    assert_int_equal(run(check_main, NULL), 3);
    assert_non_null(strstr(output, "5 events found no room"));

    s.dropped = 0;
    s.records[10].b = 77;
    script_write(&s, scratch_path());
    assert_int_equal(run(check_main, NULL), 1);
    assert_non_null(strstr(output, "broken["));

    write_bytes((const unsigned char *)"rubbish rubbish", 15);
    assert_int_equal(run(check_main, NULL), 2);
    assert_int_equal(run(stats_main, NULL), 2);
    assert_int_equal(run(dump_main, NULL), 2);
    unlink(scratch_path());
    assert_int_equal(run(check_main, NULL), 2);
    assert_non_null(strstr(output, "cannot be opened"));
}

/* Where there is no memory for it, that is said, too. (A sanitizer takes too much memory for a limit to be set.) */
#ifndef SANITIZED
static int check_in_little_memory(int argc, char **argv)
{
    struct rlimit limit = {100 << 20, 100 << 20};

    setrlimit(RLIMIT_AS, &limit);
    return check_main(argc, argv);
}

static void too_little_memory_is_said(void **state)
{
    size_t size;
    unsigned char *bytes;
    struct format_header *header;

    (void)state;
    start_small();
    bytes = script_bytes(&s, &size);
    header = (struct format_header *)bytes;
    header->chunk_limit = header->chunks_taken = 100000; /* of 4 KiB: almost all of it a hole in the file */
    write_bytes(bytes, size);
    assert_int_equal(truncate(scratch_path(), (off_t)(header->chunks_offset + 100000 * 4096ull)), 0);
    assert_int_equal(run(check_in_little_memory, NULL), 2);
    assert_non_null(strstr(output, "not enough memory"));
    unlink(scratch_path());
    free(bytes);
}
#endif

/* ---- what is printed */

static void dump_shows_every_event(void **state)
{
    unsigned lines = 0;

    (void)state;
    start_small();
    script_write(&s, scratch_path());
    assert_int_equal(run(dump_main, NULL), 0);
    for (const char *at = output; *at; at++)
        lines += *at == '\n';
    assert_int_equal(lines, s.count + 1);
    assert_non_null(strstr(output, "task_poll_begin   queued -> running, poll 1"));
    assert_non_null(strstr(output, "script.c:107"));
    assert_non_null(strstr(output, "queue 1, length 2 "));
    unlink(scratch_path());
}

static void stats_count(void **state)
{
    struct judged j;
    struct tally tally;

    (void)state;
    script_start(&s);
    scenes[2].write(&s); /* "wakers" */
    judge_script(&j, &s);
    tally_run(&tally, &j.rec, UINT64_MAX);
    assert_int_equal(tally.task_count, 2);
    assert_int_equal(tally.tasks[0].polls, 2);
    assert_int_equal(tally.tasks[0].wasted, 0);
    assert_int_equal(tally.tasks[1].polls, 3);
    assert_int_equal(tally.tasks[1].wakes, 2);
    assert_int_equal(tally.tasks[1].self_wakes, 1);
    assert_int_equal(tally.tasks[1].wasted, 1); /* the poll in which it only wakes itself */
    assert_int_equal(tally.threads[1].polls, 5);
    assert_int_equal(tally.tasks[0].delays.count, 1);
    assert_int_equal(tally.tasks[0].delays.median, 2000); /* wake_end, queue_pop, task_poll_begin: 1 us each */
    assert_int_equal(tally.threads[1].asleep, 7000);      /* six events of the other thread in between */
    tally_free(&tally);
    judged_free(&j);

    start_small();
    judge_script(&j, &s);
    tally_run(&tally, &j.rec, UINT64_MAX);
    assert_int_equal(tally.tasks[1].polls, 1);
    assert_int_equal(tally.tasks[1].wasted, 0); /* a first poll is never wasted: somebody has to ask */
    tally_free(&tally);
    judged_free(&j);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_file_is_read),
        cmocka_unit_test(cut_files_are_refused),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(damaged_headers_are_refused),
        cmocka_unit_test(wild_numbers_are_harmless),
        cmocka_unit_test(uncommitted_records_are_skipped),
        cmocka_unit_test(random_bytes_are_harmless),
        cmocka_unit_test(changed_bytes_are_harmless),
        cmocka_unit_test(exit_statuses),
#ifndef SANITIZED
        cmocka_unit_test(too_little_memory_is_said),
#endif
        cmocka_unit_test(dump_shows_every_event),
        cmocka_unit_test(stats_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
