/* A task calls runtime_block_on: it wants to wait, on the spot, for another future, whose task has to be run by a worker.
 * But it stands on the worker's own thread. With one worker nobody would be left to run what it waits for, and with more
 * it would only take longer until all of them wait. The runtime does not try: it names the line and aborts.
 *
 * That happens in a child process, so that the program can go on and say what came of it. */
#include "demo.h"
#include "must.h"
#include "runtime.h"
#include "yield.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct impatient {
    struct future base;
};

static enum poll impatient_poll(struct future *f, struct context *cx)
{
    struct yield yield = yield_now();

    (void)f, (void)cx;
    runtime_block_on(runtime_current(), &yield); /* the mistake: what a task waits for it polls, and says Pending */
    return POLL_READY;
}

FUTURE_TYPE(impatient, impatient_poll, NULL);

_Noreturn static void make_the_mistake(void)
{
    struct runtime rt;
    struct impatient impatient;

    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* the abort is expected: no core file */
    alarm(5);                                       /* the watchdog, should it hang after all */
    future_init(&impatient.base, &impatient_type);
    must(runtime_init(&rt, 1), "runtime_init");
    must(runtime_block_on(&rt, &impatient), "runtime_block_on");
    _exit(1);
}

int main(int argc, char **argv)
{
    int status;

    demo_begin(argc, argv, "runtime_block_on inside a task: named and ended, not a deadlock.", 0);
    printf("A task calls runtime_block_on. The runtime says:\n");
    pid_t child = fork();
    must(child < 0 ? -1 : 0, "fork");
    if (child == 0)
        make_the_mistake();
    must(waitpid(child, &status, 0) == child ? 0 : -1, "waitpid");
    bool aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    printf("%s\n", aborted ? "and aborts at once. Without this check it would be asleep now, for ever."
                           : "and that is not what was to be expected.");
    return !aborted;
}
