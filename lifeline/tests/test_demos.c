/* Recordings of real runs: `check` finds nothing in them, whole or killed, and notices every mutation of every event of
 * the shorter ones. */
#include "judged.h"
#include "mutation.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char build[4000]; /* the folder of what was built, found from this program's own path */

static const struct demo {
    const char *path; /* below build */
    bool mutate;
} demos[] = {
    {"stages/01_manual_poll/countdown", true},
    {"stages/01_manual_poll/lazy", true},
    {"stages/01_manual_poll/compose", true},
    {"stages/02_queue_executor/round_robin", true},
    {"stages/02_queue_executor/join_values", true},
    {"stages/02_queue_executor/wasted_polls", false},
    {"stages/03_waker/three_timers", true},
    {"stages/03_waker/remote_wake", true},
    {"stages/03_waker/abort", true},
    {"stages/03_waker/take_turns", true},
    {"stages/03_waker/race", true},
    {"stages/03_waker/coalesce", false},
    {"stages/04_epoll_reactor/read_socket", true},
    {"stages/04_epoll_reactor/timeouts", true},
    {"stages/05_multithread/read_socket", true},
    {"stages/05_multithread/spawn_from_anywhere", true},
    {"stages/05_multithread/imbalance", false},
    {"stages/06_work_stealing/read_socket", true},
    {"stages/06_work_stealing/steal", false},
    {"stages/07_futex_sync/read_socket", true},
    {"stages/07_futex_sync/lock_short_async", false},
    {"tests/lifeline/swarm_05_multithread", false},
    {"tests/lifeline/swarm_06_work_stealing", false},
    {"tests/lifeline/crowd", false},
};

static const size_t demo_count = sizeof demos / sizeof *demos;

static pid_t start_demo(const struct demo *demo)
{
    const char *trace = scratch_path();
    char path[4200];
    pid_t child;

    snprintf(path, sizeof path, "%s/%s", build, demo->path);
    if (access(path, X_OK) != 0)
        fail_msg("%s is not there; `make all` builds it", path);
    child = fork();
    if (child == 0) {
        int quiet = open("/dev/null", O_RDWR);

        setenv("TRACE", trace, 1);
        dup2(quiet, STDIN_FILENO);
        dup2(quiet, STDOUT_FILENO);
        dup2(quiet, STDERR_FILENO);
        execl(path, path, (char *)NULL);
        _exit(127);
    }
    return child;
}

static void judge_file(struct judged *j, const char *name)
{
    char error[256];

    if (recording_open(&j->rec, scratch_path(), error, sizeof error) < 0)
        fail_msg("%s: %s", name, error);
    check_run(&j->check, &j->rec);
}

static void real_runs_are_clean(void **state)
{
    (void)state;
    for (size_t i = 0; i < demo_count; i++) {
        struct judged j;
        char words[1000];
        int status;

        assert_int_equal(waitpid(start_demo(&demos[i]), &status, 0) > 0, 1);
        assert_int_equal(status, 0);
        judge_file(&j, demos[i].path);
        judged_words(&j, words, sizeof words);
        if (strcmp(words, "clean") != 0 || !j.check.complete)
            fail_msg("%s: %s", demos[i].path, words);
        judged_free(&j);
        unlink(scratch_path());
    }
}

/* ---- mutations of real recordings */

static struct script clean, mutant;

/* The same events with a site table of the test's own. */
static void script_from(struct script *s, const struct recording *rec)
{
    script_start(s);
    assert_true(rec->count <= SCRIPT_MAX);
    for (size_t i = 0; i < rec->count; i++) {
        const struct event *ev = &rec->events[i];

        s->thread = ev->thread;
        s->worker = ev->worker;
        script_add(s, ev->kind, ev->task, ev->a, ev->b);
        s->records[i].ticks = ev->time;
    }
    s->start_ns = rec->start_ns;
    if (s->lines < rec->site_count)
        s->lines = rec->site_count;
}

static unsigned mutate_all(const char *name)
{
    unsigned unnoticed = 0;

    for (size_t at = 0; at < clean.count; at++)
        for (size_t i = 0; mutations[i].name; i++) {
            unsigned kind = clean.records[at].kind;
            struct judged j;

            if (silence_for(kind, mutations[i].name))
                continue;
            mutant = clean;
            mutations[i].change(&mutant, at);
            judge_script(&j, &mutant);
            if (j.check.finding_count == 0 && unnoticed++ < 20)
                fprintf(stderr, "not noticed: %s event #%zu, %s %s\n", name, at + 1, event_kind_name(kind),
                        mutations[i].name);
            judged_free(&j);
        }
    return unnoticed;
}

static void mutations_of_real_runs_are_noticed(void **state)
{
    unsigned unnoticed = 0;

    (void)state;
    for (size_t i = 0; i < demo_count; i++) {
        struct judged j;
        int status;

        if (!demos[i].mutate)
            continue;
        assert_int_equal(waitpid(start_demo(&demos[i]), &status, 0) > 0, 1);
        judge_file(&j, demos[i].path);
        script_from(&clean, &j.rec);
        judged_free(&j);
        unnoticed += mutate_all(demos[i].path);
    }
    assert_int_equal(unnoticed, 0);
}

/* ---- killed */

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Or until it has ended. */
static void await_recording(pid_t child)
{
    siginfo_t ended = {.si_pid = 0};

    while (access(scratch_path(), F_OK) != 0 && ended.si_pid == 0) {
        assert_int_equal(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
        sched_yield();
    }
}

/* Killed so many ns after it has begun to record, or when it ends by itself. The moment does not matter to what is
 * asserted. */
static void kill_demo(const struct demo *demo, uint64_t ns)
{
    struct timespec pause = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

    unlink(scratch_path());
    pid_t child = start_demo(demo);
    await_recording(child);
    nanosleep(&pause, NULL);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void killed_runs_are_clean(void **state)
{
    unsigned judged = 0;
    uint64_t began = now();

    (void)state;
    for (unsigned i = 0; i < 60 && now() - began < 5000000000; i++) {
        const struct demo *demo = &demos[i % 2 ? demo_count - 1 : 8 + i / 2 % (demo_count - 9)];
        struct judged j;
        char words[1000], error[256];

        kill_demo(demo, 2000000 + 700000 * (uint64_t)i);
        if (recording_open(&j.rec, scratch_path(), error, sizeof error) < 0)
            continue; /* killed before it had begun to record */
        check_run(&j.check, &j.rec);
        judged_words(&j, words, sizeof words);
        if (strcmp(words, "clean") != 0)
            fail_msg("%s, killed: %s", demo->path, words);
        judged_free(&j);
        judged++;
    }
    unlink(scratch_path());
    assert_true(judged > 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_runs_are_clean),
        cmocka_unit_test(mutations_of_real_runs_are_noticed),
        cmocka_unit_test(killed_runs_are_clean),
    };
    const char *tail = strstr(argv[0], "/tests/lifeline/");

    (void)argc;
    snprintf(build, sizeof build, "%.*s", tail ? (int)(tail - argv[0]) : 1, tail ? argv[0] : ".");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
