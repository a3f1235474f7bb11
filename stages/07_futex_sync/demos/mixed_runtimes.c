/* Two runtimes in one program. A read begins in the first: the socket is registered with the reactor of one of its
 * workers, and that is where its bytes will be noticed. Then the same socket is read inside a block_on of the second
 * runtime. That one's workers would never hear of the bytes: it would wait for ever, or for as long as the first runtime
 * lives. It is named instead, with the line of the read. The same goes for a sleep.
 *
 * What is safe between two runtimes are wakers, and so all that this stage adds: locks and channels. The first part shows
 * it, with a oneshot. The second part, with the mistake, happens in a child process. */
#include "demo.h"
#include "must.h"
#include "net.h"
#include "oneshot.h"
#include "runtime.h"
#include "timer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct runtime first, second;

/* --- a task of the first runtime that answers one of the second --- */

struct answering {
    struct future base;
    struct oneshot *channel;
    struct sleep sleep;
};

static enum poll answering_poll(struct future *f, struct context *cx)
{
    struct answering *self = (struct answering *)f;
    int answer = 42;

    if (future_poll(&self->sleep.base, cx) == POLL_PENDING)
        return POLL_PENDING;
    future_drop(&self->sleep.base);
    oneshot_send(self->channel, &answer);
    return POLL_READY;
}

FUTURE_TYPE(answering, answering_poll, NULL);

static void ask_across(void)
{
    int answer = 0;
    struct oneshot channel;

    oneshot_init(&channel, &answer);
    struct answering answering = {.channel = &channel, .sleep = sleep_for(MILLISECONDS(10))};
    future_init(&answering.base, &answering_type);
    must(task_spawn(&first, &answering, NULL), "task_spawn");
    struct oneshot_recv recv = oneshot_recv(&channel);
    must(runtime_block_on(&second, &recv), "runtime_block_on");
    future_drop(&recv.base);
    printf("A task of the first runtime has sent %d to one of the second: a channel does not care.\n", answer);
}

/* --- a socket of the first runtime, read in the second --- */

_Noreturn static void make_the_mistake(void)
{
    int ends[2];
    char byte;

    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* the abort is expected: no core file */
    alarm(5);                                       /* the watchdog, should it hang after all */
    must(runtime_init(&first, 1), "runtime_init");
    must(runtime_init(&second, 1), "runtime_init");
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) ? -errno : 0, "socketpair");
    struct socket socket = socket_from_fd(ends[0]);

    struct socket_read read = socket_read(&socket, &byte, 1);
    struct timeout timeout = timeout_after(MILLISECONDS(10), &read.base);
    must(runtime_block_on(&first, &timeout), "runtime_block_on"); /* waits in vain: now the socket is registered */
    future_drop(&timeout.base);

    struct socket_read again = socket_read(&socket, &byte, 1);
    must(runtime_block_on(&second, &again), "runtime_block_on"); /* the mistake */
    _exit(1);
}

/* In a child, and before this process has threads, which a child would not have. */
static bool mistake_is_named(void)
{
    int status;
    pid_t child = fork();

    must(child < 0 ? -errno : 0, "fork");
    if (child == 0)
        make_the_mistake();
    must(waitpid(child, &status, 0) == child ? 0 : -errno, "waitpid");
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

int main(int argc, char **argv)
{
    demo_begin(argc, argv,
               "A socket of one runtime, read in another: named, not hung. A channel between the two works.", 0);
    printf("A socket that the first runtime watches is read in the second, which says:\n");
    bool named = mistake_is_named();
    printf("%s\n",
           named ? "and aborts. Without this check the read would wait in a runtime that never hears of the bytes."
                 : "and that is not what was to be expected.");
    must(runtime_init(&first, 1), "runtime_init");
    must(runtime_init(&second, 1), "runtime_init");
    ask_across();
    runtime_destroy(&second);
    runtime_destroy(&first);
    return !named;
}
