#include "report/plot.h"

#include "tutti/log.h"
#include "tutti/memory.h"

#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const unsigned colours[PLOT_COLOURS] = {
    0x0072b2, 0xe69f00, 0x009e73, 0xcc79a7, 0x56b4e9, 0xd55e00, 0x7a5195, 0xb5a900, 0x8c564b, 0x4d4d4d,
    0x00a6a6, 0xf07aa8, 0x94c83d, 0x1b3a6b, 0xa50f4c, 0xb79fe0, 0x5c7f1e, 0xffa07a, 0x7fcdbb,
};

unsigned plot_colour(int64_t i)
{
    return i >= 0 && i < PLOT_COLOURS ? colours[i] : 0xbdbdbd;
}

const char *plot_count(int64_t n, char text[32])
{
    char digits[32];
    int used = snprintf(digits, sizeof digits, "%lld", (long long)n), at = 0;
    for (int i = 0; i < used; i++) {
        if (i > 0 && (used - i) % 3 == 0 && digits[i - 1] != '-') text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return text;
}

static void write_text(FILE *to, const char *text, int tic)
{
    fputc('\'', to);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f) c = ' '; /* a line's end would end the command */
        if (c == '\'' || (tic && c == '%')) fputc(c, to);
        fputc(c, to);
    }
    fputc('\'', to);
}

void plot_text(plot *p, const char *text)
{
    write_text(p->to, text, 0);
}

void plot_tic(plot *p, const char *text)
{
    write_text(p->to, text, 1);
}

void plot_title(plot *p, const char *title, const char *subtitle)
{
    fputs("set label 101 ", p->to);
    plot_text(p, title);
    fprintf(p->to,
            " at screen %.4f,0.958 left front font 'DejaVu Sans Bold,21' tc rgb '#222222'\nset label 102 ",
            p->panel_left);
    plot_text(p, subtitle);
    fprintf(p->to, " at screen %.4f,0.918 left front font 'DejaVu Sans,14' tc rgb '#666666'\n",
            p->panel_left);
}

tt_status plot_begin(plot *p, const char *folder, const char *name, int width, int height)
{
    *p = (plot){.to = tmpfile(), .folder = folder, .name = name, .panel_left = 0.03};
    if (!p->to) return tt_fail_errno("create a temporary file for", name);
    fprintf(p->to,
            "set encoding utf8\n"
            "set terminal pngcairo noenhanced size %d,%d font 'DejaVu Sans,14' background rgb 'white'\n"
            "set border 3 lw 1 lc rgb '#999999'\n"
            "set tics nomirror out scale 0.6 textcolor rgb '#444444'\n"
            "set grid lw 1 lc rgb '#ececec' lt 1\n"
            "set key textcolor rgb '#333333'\n",
            width, height);
    return TT_OK;
}

/* First line of what gnuplot said, without its own markers. */
static void first_complaint(FILE *said, char text[256])
{
    char line[256];
    text[0] = '\0';
    rewind(said);
    while (fgets(line, sizeof line, said)) {
        line[strcspn(line, "\n")] = '\0';
        const char *from = line + strspn(line, " \t^");
        if (*from && strncmp(from, "gnuplot>", 8) != 0) snprintf(text, 256, "%s", from);
        if (strstr(line, "line ")) break; /* "line 12: undefined variable" */
    }
}

static tt_status spawn(const plot *p, FILE *said, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    char *const argv[] = {(char[]){"gnuplot"}, (char[]){"-d"}, NULL}; /* -d: nobody's own settings */
    if (posix_spawn_file_actions_init(&actions) != 0)
        return tt_fail(TT_ERR_MEMORY, "no memory to start gnuplot");
    posix_spawn_file_actions_adddup2(&actions, fileno(p->to), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(said), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(said), STDERR_FILENO);
    int failed = posix_spawnp(pid, "gnuplot", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed == ENOENT)
        return tt_fail(
            TT_ERR_IO,
            "%s: gnuplot, which draws the pictures, is not installed: apt-get install gnuplot-nox, dnf "
            "install gnuplot or spack install gnuplot +cairo",
            p->name);
    if (failed) return tt_fail(TT_ERR_IO, "%s: cannot start gnuplot: %s", p->name, strerror(failed));
    return TT_OK;
}

static tt_status run_gnuplot(const plot *p)
{
    FILE *said = tmpfile();
    int ended = 0;
    pid_t pid = 0;
    if (!said) return tt_fail_errno("create a temporary file for", p->name);
    rewind(p->to);
    tt_status s = spawn(p, said, &pid);
    while (s == TT_OK && waitpid(pid, &ended, 0) < 0)
        if (errno != EINTR) s = tt_fail_errno("wait for gnuplot to draw", p->name);
    if (s == TT_OK) {
        char complaint[256];
        first_complaint(said, complaint);
        if (!WIFEXITED(ended) || WEXITSTATUS(ended) != 0)
            s = tt_fail(TT_ERR_IO, "%s: gnuplot failed: %s", p->name,
                        complaint[0] ? complaint : "it was killed");
        else if (complaint[0])
            tt_debug("%s: gnuplot says: %s", p->name, complaint);
    }
    fclose(said);
    return s;
}

static tt_status publish(plot *p, const char *part)
{
    char *path;
    TT_TRY(tt_format(&path, "%s/%s", p->folder, p->name));
    tt_status s = run_gnuplot(p);
    if (s == TT_OK && rename(part, path) != 0) s = tt_fail_errno("write", path);
    free(path);
    return s;
}

tt_status plot_draw(plot *p, tt_status status)
{
    char *part = NULL;
    if (status == TT_OK && (fflush(p->to) != 0 || ferror(p->to)))
        status = tt_fail_errno("write a temporary file for", p->name);
    if (status == TT_OK) status = tt_format(&part, "%s/%s.part", p->folder, p->name);
    if (status == TT_OK) status = publish(p, part);
    if (status != TT_OK && part) unlink(part);
    free(part);
    fclose(p->to);
    return status;
}
