/* Merges the runs of all threads by their times.
 *
 * A thread's runs follow one another, but for those that a signal handler wrote while another run was being filled.
 * So runs of one thread that follow one another are joined to a lane, the others get lanes of their own, and a heap
 * holds the lanes by the time of their next event. */
#include "memory.h"
#include "order.h"

#include <stdlib.h>

struct lane {
    const struct run *run, *end;
    const struct event *next, *run_end;
};

static int run_compare(const void *left, const void *right)
{
    const struct run *a = left, *b = right;

    if (a->events->thread != b->events->thread)
        return a->events->thread < b->events->thread ? -1 : 1;
    if (a->events->time != b->events->time)
        return a->events->time < b->events->time ? -1 : 1;
    return a->events < b->events ? -1 : 1; /* runs lie in one array, in the order of the file */
}

static bool run_follows(const struct run *run, const struct run *last)
{
    return run->events->thread == last->events->thread && run->events->time >= last->events[last->count - 1].time;
}

static void lane_enter_run(struct lane *lane)
{
    lane->next = lane->run->events;
    lane->run_end = lane->next + lane->run->count;
}

/* Steps over the event that was taken. False: it was the lane's last. */
static bool lane_step(struct lane *lane)
{
    if (++lane->next < lane->run_end)
        return true;
    if (++lane->run == lane->end)
        return false;
    lane_enter_run(lane);
    return true;
}

static size_t lanes_make(struct lane *lanes, const struct run *runs, size_t run_count)
{
    size_t count = 0;

    for (size_t i = 0; i < run_count; i++) {
        if (i == 0 || !run_follows(&runs[i], &runs[i - 1])) {
            lanes[count].run = &runs[i];
            lane_enter_run(&lanes[count++]);
        }
        lanes[count - 1].end = &runs[i + 1];
    }
    return count;
}

static bool lane_before(const struct lane *a, const struct lane *b)
{
    if (a->next->time != b->next->time)
        return a->next->time < b->next->time;
    return a->next < b->next;
}

static void heap_sink(struct lane *heap, size_t count, size_t at)
{
    struct lane sinking = heap[at];

    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && lane_before(&heap[child + 1], &heap[child]))
            child++;
        if (!lane_before(&heap[child], &sinking))
            break;
        heap[at] = heap[child];
    }
    heap[at] = sinking;
}

void merge_runs(struct event *ordered, struct run *runs, size_t run_count)
{
    struct lane *heap = memory_array(run_count, sizeof *heap);
    size_t count;

    if (run_count > 0)
        qsort(runs, run_count, sizeof *runs, run_compare);
    count = lanes_make(heap, runs, run_count);
    for (size_t i = count; i-- > 0;)
        heap_sink(heap, count, i);
    while (count > 0) {
        *ordered++ = *heap[0].next;
        if (!lane_step(&heap[0]))
            heap[0] = heap[--count];
        heap_sink(heap, count, 0);
    }
    free(heap);
}
