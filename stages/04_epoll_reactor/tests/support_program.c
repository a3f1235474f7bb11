#define _GNU_SOURCE
#include "support_program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEADLINE_SECONDS = 60 };

/* --- places --- */

static char folder[] = "/tmp/wakeful-XXXXXX";

int scratch_make(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    alarm(DEADLINE_SECONDS);
    return mkdtemp(folder) ? 0 : -1;
}

int scratch_remove(void **state)
{
    const char *const argv[] = {"/bin/rm", "-rf", folder, NULL};
    struct program rm;

    (void)state;
    return program_run(&rm, argv, NULL);
}

/* Paths are kept in a few places that are used in turn: enough for the arguments of one program. */
static const char *keep(const char *folder_path, const char *name)
{
    static char paths[16][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 16];

    assert_in_range(snprintf(path, PATH_MAX, "%s/%s", folder_path, name), 1, PATH_MAX - 1);
    return path;
}

const char *scratch(const char *name)
{
    return keep(folder, name);
}

/* A path that begins where this test program lies. */
static const char *beside(const char *name)
{
    char self[PATH_MAX] = "";

    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    *strrchr(self, '/') = '\0';
    return keep(self, name);
}

const char *demo(const char *name)
{
    return beside(keep("..", name));
}

const char *lifeline(void)
{
    return beside("../../../bin/lifeline");
}

/* --- programs --- */

/* In the child: never returns. */
static void become(const char *const argv[], const char *trace, rlim_t descriptors)
{
    if (trace)
        setenv("TRACE", trace, 1);
    else
        unsetenv("TRACE");
    if (descriptors && setrlimit(RLIMIT_NOFILE, &(struct rlimit){descriptors, descriptors}) != 0)
        _exit(126);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

void program_start(struct program *program, const char *const argv[], const char *trace, rlim_t descriptors)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    program->length = 0;
    program->text[0] = '\0';
    program->pid = fork();
    assert_true(program->pid >= 0);
    if (program->pid == 0) {
        alarm(DEADLINE_SECONDS);
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        become(argv, trace, descriptors);
    }
    close(ends[1]);
    program->output = ends[0];
}

/* Reads once. False: there will be nothing more. */
static bool program_read(struct program *program)
{
    char part[1024];
    ssize_t came = read(program->output, part, sizeof part);
    if (came < 0 && errno == EINTR)
        return true;
    assert_true(came >= 0);
    size_t room = sizeof program->text - 1 - program->length; /* what is more is not kept */
    size_t kept = (size_t)came < room ? (size_t)came : room;
    memcpy(program->text + program->length, part, kept);
    program->length += kept;
    program->text[program->length] = '\0';
    return came > 0;
}

void program_wait_for_text(struct program *program, const char *text)
{
    while (!strstr(program->text, text))
        if (!program_read(program))
            fail_msg("the program never says '%s', but:\n%s", text, program->text);
}

int program_end(struct program *program)
{
    int status;

    while (program_read(program))
        ;
    close(program->output);
    assert_int_equal(waitpid(program->pid, &status, 0), program->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int program_run(struct program *program, const char *const argv[], const char *trace)
{
    program_start(program, argv, trace, 0);
    return program_end(program);
}

/* --- recordings --- */

/* Where docs/recording.md says that these stand in the header. */
enum { AT_CHUNK_SIZE = 20, AT_PID = 36, AT_CHUNKS_OFFSET = 56, AT_CHUNK_LIMIT = 64, CHUNK_HEADER = 32 };

static uint32_t u32_at(const struct recording *recording, size_t offset)
{
    uint32_t value;
    memcpy(&value, recording->bytes + offset, sizeof value);
    return value;
}

static uint64_t u64_at(const struct recording *recording, size_t offset)
{
    uint64_t value;
    memcpy(&value, recording->bytes + offset, sizeof value);
    return value;
}

void recording_open(struct recording *recording, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    close(fd);
    *recording = (struct recording){.bytes = map, .size = (size_t)st.st_size};
    assert_memory_equal(map, "wakeful\n", 8);
}

void recording_close(struct recording *recording)
{
    munmap((void *)(uintptr_t)recording->bytes, recording->size);
}

uint32_t recording_pid(const struct recording *recording)
{
    return u32_at(recording, AT_PID);
}

/* A record of the file, NULL: the file has none there, or it is not committed. */
static const struct record *record_at(const struct recording *recording, size_t chunk, size_t index)
{
    size_t chunk_size = u32_at(recording, AT_CHUNK_SIZE);
    size_t offset = u64_at(recording, AT_CHUNKS_OFFSET) + chunk * chunk_size + CHUNK_HEADER;

    offset += index * sizeof(struct record);
    if (index >= (chunk_size - CHUNK_HEADER) / sizeof(struct record) ||
        offset + sizeof(struct record) > recording->size)
        return NULL;
    const struct record *record = (const struct record *)(recording->bytes + offset);
    uint32_t commit = __atomic_load_n((const uint32_t *)&record->kind,
                                      __ATOMIC_ACQUIRE); /* pairs with trace.c's store */
    return commit & UINT16_MAX ? record : NULL;
}

/* One thread fills the first chunk, which it may leave before its end, then the second, and so on. */
const struct record *recording_next(struct recording *recording)
{
    const struct record *record = record_at(recording, recording->chunk, recording->next);

    if (!record && (record = record_at(recording, recording->chunk + 1, 0))) {
        recording->chunk++;
        recording->next = 0;
    }
    if (record)
        recording->next++;
    return record;
}

void recording_check(const char *path)
{
    const char *const argv[] = {lifeline(), "check", path, NULL};
    struct program check;

    if (access(argv[0], X_OK) != 0)
        return; /* a stage that was copied out alone */
    int status = program_run(&check, argv, NULL);
    if (status != 0 && status != 3) /* 3: nothing is broken, but the recording has reached its limit */
        fail_msg("lifeline check ends with %d:\n%s", status, check.text);
}
