/* Stage 06 with one reactor for all workers, to hold it against one for each: what was found is said in
 * stages/06_work_stealing/watch.c.
 *
 * The linker (--wrap) puts these functions in the place of the stage's own, of which all the rest is used as it is. The
 * reactor is the first worker's; all idle workers sleep in its epoll set, and every busy one looks into it. */
#include "runtime.h"
#include "sys.h"

#include <errno.h>
#include <unistd.h>

struct reactor *__wrap_reactor_current(const struct site *at);
int __wrap_watch_init(struct watch *watch, struct runtime *rt);
void __wrap_watch_wait(struct watch *watch, struct executor *ex);
void __real_reactor_glance(struct reactor *reactor);
void __wrap_reactor_glance(struct reactor *own);

static struct reactor *the_reactor(struct executor *ex)
{
    return &ex->runtime->workers[0].executor.reactor;
}

struct reactor *__wrap_reactor_current(const struct site *at)
{
    if (!executor_current())
        misuse(at, "outside of a task: no reactor runs on this thread");
    return the_reactor(executor_current());
}

/* As a single worker does it: the nudge goes to the reactor. */
int __wrap_watch_init(struct watch *watch, struct runtime *rt)
{
    *watch = (struct watch){.epoll_fd = -1, .nudge_fd = sys_eventfd(SITE(""))};
    if (watch->nudge_fd < 0)
        return watch->nudge_fd;
    int error = sys_epoll_ctl(rt->workers[0].executor.reactor.epoll_fd, EPOLL_CTL_ADD, watch->nudge_fd,
                              EPOLLIN | EPOLLET, REACTOR_NUDGE, SITE(""));
    if (error)
        sys_close(watch->nudge_fd, SITE(""));
    return error;
}

void __wrap_watch_wait(struct watch *watch, struct executor *ex)
{
    (void)watch;
    reactor_turn(the_reactor(ex), -1);
}

void __wrap_reactor_glance(struct reactor *own)
{
    (void)own;
    __real_reactor_glance(the_reactor(executor_current()));
}
