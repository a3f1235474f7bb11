#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- memory ---- */

enum { ALIVE = 0x0a11fe, FREED = 0x0dead0, POISON = 0xa5 };

struct block {
    struct block *next;
    size_t size;
    int state;
    _Alignas(max_align_t) unsigned char bytes[];
};

static struct block *blocks; /* all of them, the freed ones too */
static int alive;
static int fail_at;

/* There under the address sanitizer only, which then finds a read of a freed block as well. */
void __asan_poison_memory_region(const volatile void *memory, size_t size) __attribute__((weak));
void __asan_unpoison_memory_region(const volatile void *memory, size_t size) __attribute__((weak));

void *__real_malloc(size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void __wrap_free(void *memory);

void *__wrap_malloc(size_t size)
{
    if (fail_at && --fail_at == 0)
        return NULL;
    struct block *block = __real_malloc(sizeof *block + size);
    if (!block)
        return NULL;
    *block = (struct block){blocks, size, ALIVE};
    blocks = block;
    alive++;
    memset(block->bytes, POISON, size); /* a block that counts on zeros is in for a surprise */
    return block->bytes;
}

void __wrap_free(void *memory)
{
    if (!memory)
        return;
    struct block *block = (struct block *)((unsigned char *)memory - offsetof(struct block, bytes));
    if (block->state != ALIVE)
        fail_msg("a block of %zu bytes is freed twice", block->size);
    block->state = FREED;
    alive--;
    memset(block->bytes, POISON, block->size);
    if (__asan_poison_memory_region)
        __asan_poison_memory_region(block->bytes, block->size);
}

int memory_alive(void)
{
    return alive;
}

void memory_fail_at(int count)
{
    fail_at = count;
}

static bool is_poisoned(const struct block *block)
{
    if (__asan_unpoison_memory_region)
        __asan_unpoison_memory_region(block->bytes, block->size);
    for (size_t i = 0; i < block->size; i++)
        if (block->bytes[i] != POISON)
            return false;
    return true;
}

/* ---- journal ---- */

static char journal_letters[4096];
static size_t journal_length;

void journal_clear(void)
{
    journal_length = 0;
    journal_letters[0] = '\0';
}

void journal_add(char letter)
{
    assert_true(journal_length < sizeof journal_letters - 1);
    journal_letters[journal_length++] = letter;
    journal_letters[journal_length] = '\0';
}

void assert_journal_at(const char *expected, const char *file, int line)
{
    char letters[sizeof journal_letters];
    size_t length = 0;

    for (; *expected; expected++)
        if (*expected != ' ')
            letters[length++] = *expected;
    letters[length] = '\0';
    _assert_string_equal(journal_letters, letters, file, line);
}

int journal_count(char letter)
{
    int count = 0;
    for (const char *p = journal_letters; *p; p++)
        count += *p == letter;
    return count;
}

/* ---- around each test ---- */

int test_begin(void **state)
{
    (void)state;
    journal_clear();
    memory_fail_at(0);
    return 0;
}

int test_end(void **state)
{
    int left = alive, spoiled = 0;

    (void)state;
    trace_set_hook(NULL, NULL);
    for (struct block *block = blocks, *next; block; block = next) {
        next = block->next;
        spoiled += block->state == FREED && !is_poisoned(block);
        __real_free(block);
    }
    blocks = NULL;
    alive = 0;
    if (left)
        print_error("%d blocks were not freed\n", left);
    if (spoiled)
        print_error("%d blocks were written to after they were freed\n", spoiled);
    return left || spoiled ? -1 : 0;
}

/* ---- probe ---- */

static enum poll probe_poll(struct future *f, struct context *cx)
{
    struct probe *self = (struct probe *)f;

    self->polls++;
    self->waker = cx->waker;
    if (self->name)
        journal_add(self->name);
    if (self->state == PROBE_START) {
        free(self->input);
        self->input = NULL;
        self->local = malloc(16);
        self->state = PROBE_WAITING;
    }
    if (self->pendings > 0) {
        self->pendings--;
        return POLL_PENDING;
    }
    free(self->local);
    self->local = NULL;
    self->output = malloc(sizeof *self->output);
    *self->output = self->polls;
    return POLL_READY;
}

/* Sets nothing to NULL: so a second drop is a second free. */
static void probe_drop(struct future *f)
{
    struct probe *self = (struct probe *)f;

    free(self->input);
    free(self->local);
    free(self->output);
}

FUTURE_TYPE(probe, probe_poll, probe_drop);

struct probe probe(char name, int pendings)
{
    struct probe self = {.name = name, .pendings = pendings, .input = malloc(16), .state = PROBE_START};
    future_init(&self.base, &probe_type);
    return self;
}

enum poll poll_by_hand_at(struct future *f, const struct site *at)
{
    struct waker nobody = waker_noop();
    struct context cx = {&nobody};
    return future_poll_at(f, &cx, at);
}

/* ---- child processes ---- */

enum { DEADLINE = 60 }; /* in seconds: far more than anything here takes, sanitizers and busy machines included */

/* Reads until the other side closes. The caller frees nothing: the text lives until the next call. */
static const char *read_all(int fd)
{
    static char text[65536];
    size_t used = 0;
    ssize_t n;

    while ((n = read(fd, text + used, sizeof text - 1 - used)) > 0 || (n == -1 && errno == EINTR))
        used += n > 0 ? (size_t)n : 0;
    text[used] = '\0';
    return text;
}

/* Becomes another program or ends. */
struct child {
    void (*main)(void *arg);
    void *arg;
    int output; /* which of its descriptors is captured */
};

/* Runs it in a process of its own; what it printed, and how it ended (as waitpid says it). */
static const char *child_run(struct child child, int *status)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], child.output);
        close(ends[0]);
        close(ends[1]);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        alarm(DEADLINE);
        child.main(child.arg);
        _exit(0);
    }
    close(ends[1]);
    const char *text = read_all(ends[0]);
    close(ends[0]);
    assert_int_equal(waitpid(pid, status, 0), pid);
    return text;
}

/* ---- misuse ---- */

/* Shared with the child, which fills it in. */
struct expectation {
    int line;
    char says[512];
};

static struct expectation *expected;

void misuse_here(int line)
{
    expected->line = line;
}

void misuse_says(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(expected->says, sizeof expected->says, format, args);
    va_end(args);
}

static void misuse_child(void *arg)
{
    void (**function)(void) = arg;

    (*function)();
}

void assert_misuse_in(void (*function)(void), const char *file)
{
    char line[1024];
    int status;

    expected = mmap(NULL, sizeof *expected, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(expected != MAP_FAILED);
    const char *text = child_run((struct child){misuse_child, &function, STDERR_FILENO}, &status);
    snprintf(line, sizeof line, "%s:%d: misuse: %s\n", file, expected->line, expected->says);
    munmap(expected, sizeof *expected);
    assert_string_equal(text, line);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* ---- demos ---- */

/* The folder of this test program, and then that path. */
static void path_beside(char *path, size_t size, const char *beside)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    assert_true(length > 0);
    path[length] = '\0';
    char *end = strrchr(path, '/') + 1;
    snprintf(end, size - (size_t)(end - path), "%s", beside);
}

static void program_main(void *arg)
{
    char **argv = arg;
    execv(argv[0], argv);
}

static const char *program_run(char **argv, int *exited)
{
    int status;
    const char *text = child_run((struct child){program_main, argv, STDOUT_FILENO}, &status);
    assert_true(WIFEXITED(status));
    *exited = WEXITSTATUS(status);
    return text;
}

static void check_recording(char *trace)
{
    char lifeline[4096];
    int exited;

    path_beside(lifeline, sizeof lifeline, "../../../bin/lifeline");
    if (access(lifeline, X_OK) == -1)
        return; /* a stage that was copied out alone */
    const char *text = program_run((char *[]){lifeline, "check", trace, NULL}, &exited);
    if (exited != 0)
        fail_msg("lifeline check: %d: %s", exited, text);
}

void assert_demo(const char *name, const char *argument, int status, const char *text)
{
    char demo[4096], trace[4096], beside[256], *argv[] = {demo, (char *)(uintptr_t)argument, NULL};
    int exited;

    snprintf(beside, sizeof beside, "../%s", name);
    path_beside(demo, sizeof demo, beside);
    if (!strstr(program_run(argv, &exited), text))
        fail_msg("%s does not print: %s", name, text);
    assert_int_equal(exited, status);
    if (status != 0)
        return;

    snprintf(beside, sizeof beside, "%s.trace", name);
    path_beside(trace, sizeof trace, beside);
    setenv("TRACE", trace, 1);
    program_run(argv, &exited);
    unsetenv("TRACE");
    assert_int_equal(exited, 0);
    assert_int_equal(access(trace, R_OK), 0);
    check_recording(trace);
    unlink(trace);
}
