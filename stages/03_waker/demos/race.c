/* Work against a time limit: select waits for both, takes the first, and drops the other half-way. */
#include "demo.h"
#include "executor.h"
#include "must.h"
#include "select.h"
#include "timer.h"

static void race(struct executor *ex, unsigned work_ms, unsigned limit_ms)
{
    struct sleep work = sleep_for(MILLISECONDS(work_ms));
    struct sleep limit = sleep_for(MILLISECONDS(limit_ms));
    struct select first = select_first(&work.base, &limit.base);
    double began = demo_milliseconds(CLOCK_MONOTONIC);

    must(executor_block_on(ex, &first), "executor_block_on");
    must(work.output, "sleep");
    must(limit.output, "sleep");
    printf("Work of %u ms, limit %u ms: after %.0f ms %s.\n", work_ms, limit_ms,
           demo_milliseconds(CLOCK_MONOTONIC) - began,
           first.winner == &work.base ? "the work is done, and the limit was dropped"
                                      : "the time is up, and the work was dropped half-way");
    future_drop(&first.base);
}

int main(int argc, char **argv)
{
    demo_begin(argc, argv, "Work races against a time limit.", 0);
    struct executor ex;

    must(executor_init(&ex), "executor_init");
    race(&ex, 30, 60000);
    race(&ex, 60000, 50);
    printf("Nobody waited a minute: to drop a future is to cancel it.\n");
    executor_destroy(&ex);
    return 0;
}
