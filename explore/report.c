/* What is told of a failing run: its steps, each with its line of source; and notes in its recording. */
#define _GNU_SOURCE
#include "core.h"

#include "../trace/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_TOLD = 20000 };

struct told {
    const void *pc;
    unsigned thread;
    char text[112];
};

static struct told *told; /* outside of the run; NULL: nobody wants to know */

/* Of this run. */
static unsigned told_count;

void steps_wanted(void)
{
    told = memory_reserve(MAX_TOLD * sizeof *told);
}

void tell(const void *pc, const char *format, ...)
{
    va_list args;

    if (!told || told_count == MAX_TOLD)
        return;
    struct told *t = &told[told_count++];
    t->pc = pc;
    t->thread = me()->id;
    va_start(args, format);
    vsnprintf(t->text, sizeof t->text, format, args);
    va_end(args);
}

/* ---- names of places ---- */

/* addr2line, of the binutils, answers two lines for each address: the function, and "file:line". */
static FILE *addr2line(const char *addresses_from)
{
    char command[200];

    snprintf(command, sizeof command, "exec addr2line -e /proc/%d/exe %s", (int)getpid(), addresses_from);
    return popen(command, "r");
}

static void place_read(FILE *from, char *text, size_t size)
{
    char line[1024] = "?", here[512];

    if (from && fgets(line, sizeof line, from))
        line[strcspn(line, " \n")] = '\0';
    size_t skip = getcwd(here, sizeof here) ? strlen(here) : 0;
    bool is_below = skip > 0 && strncmp(line, here, skip) == 0 && line[skip] == '/';
    snprintf(text, size, "%s", is_below ? line + skip + 1 : line);
}

/* The byte before: a call returns to the instruction behind it, which may belong to the next line. */
static uintptr_t call_address(const void *pc)
{
    return pc ? (uintptr_t)pc - 1 : 0;
}

void place_name(const void *pc, char *text, size_t size)
{
    char address[40];

    snprintf(address, sizeof address, "%#lx", (unsigned long)call_address(pc));
    FILE *from = addr2line(address);
    place_read(from, text, size);
    if (from)
        pclose(from);
}

void steps_print(void)
{
    char list[] = "/tmp/explore.XXXXXX", redirect[64], place[300];
    int fd = mkstemp(list);

    if (fd == -1)
        return;
    for (unsigned i = 0; i < told_count; i++)
        dprintf(fd, "%#lx\n", (unsigned long)call_address(told[i].pc));
    close(fd);
    snprintf(redirect, sizeof redirect, "< %s", list);
    FILE *from = addr2line(redirect);
    for (unsigned i = 0; i < told_count; i++) {
        place_read(from, place, sizeof place);
        if (i > 0 && told[i].thread != told[i - 1].thread)
            printf("%*s---- thread %u goes on\n", 4, "", told[i].thread);
        printf("%3u  thread %u  %-40s %s\n", i + 1, told[i].thread, place, told[i].text);
    }
    if (from)
        pclose(from);
    unlink(list);
}

/* ---- notes in the recording ---- */

/* The first one is the main thread. */
void note_thread(unsigned number)
{
    if (number > 0)
        trace_thread_name("thread");
}

void note_preemption(unsigned next)
{
    trace_note("stopped here by the explorer; the number says which thread goes on", next);
}

void note_old_value(uint64_t value)
{
    trace_note("this thread reads an old value", value);
}

void note_failure(const char *reason)
{
#define NOTE_IF(kind)                                                                                                  \
    if (strncmp(reason, kind, sizeof kind - 1) == 0)                                                                   \
    trace_note("the explorer ends the run: " kind, 0)
    NOTE_IF("deadlock");
    NOTE_IF("livelock");
    NOTE_IF("data race");
    NOTE_IF("use after free");
    NOTE_IF("double free");
    NOTE_IF("leak");
    NOTE_IF("misuse");
    NOTE_IF("broken");
#undef NOTE_IF
}
