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

/* Code point at text, its bytes into *n; '?' for what is not UTF-8 or would end the command. */
static unsigned decode(const char *text, int *n)
{
    const unsigned char *b = (const unsigned char *)text;
    int more = b[0] < 0x80 ? 0 : b[0] >> 5 == 6 ? 1 : b[0] >> 4 == 14 ? 2 : b[0] >> 3 == 30 ? 3 : -1;
    *n = 1;
    if (more < 0) return '?';
    unsigned code = more == 0 ? b[0] : b[0] & (0x3fu >> more);
    for (int i = 1; i <= more; i++) {
        if (b[i] >> 6 != 2) return '?';
        code = code << 6 | (b[i] & 0x3f);
    }
    *n = more + 1;
    return code < 0x20 || (code >= 0x7f && code < 0xa0) ? ' ' : code;
}

enum { LATIN = 0x250 }; /* code points below are in every font */

/* Whether an installed font has all letters of `text`. A letter that none has would be drawn as a box, and
 * gnuplot's are larger than the picture. fontconfig's fc-list knows; without it only Latin letters are
 * trusted. */
static bool has_font(const char *text)
{
    char command[1024] = "fc-list ':charset=", line[64];
    size_t used = strlen(command);
    int n, foreign = 0;
    for (; *text; text += n) {
        unsigned code = decode(text, &n);
        if (code < LATIN || used > sizeof command - 64) continue;
        used += (size_t)snprintf(command + used, sizeof command - used, "%x ", code);
        foreign++;
    }
    if (foreign == 0) return true;
    snprintf(command + used, sizeof command - used, "' family 2>/dev/null");
    FILE *fonts = popen(command, "r");
    bool found = fonts && fgets(line, sizeof line, fonts);
    if (fonts) pclose(fonts);
    return found;
}

const char *plot_short(const char *text, int letters, char out[96])
{
    int at[2] = {0, 0}, n, used = 0; /* bytes of the whole, and of what is left where ".." follows */
    for (; text[at[0]] && used <= letters; used++) {
        decode(text + at[0], &n);
        if (used == letters - 2) at[1] = at[0];
        at[0] += n;
    }
    if (used > letters)
        snprintf(out, 96, "%.*s..", at[1], text);
    else
        snprintf(out, 96, "%s", text);
    return out;
}

static void write_text(plot *p, const char *text, bool tic)
{
    bool font = has_font(text);
    int n;
    if (!font && !p->told)
        tt_warn("%s: no installed font has the letters of \"%s\": they are drawn as ? (a font for the "
                "script, "
                "such as one of fonts-noto-core, helps)",
                p->name, text);
    p->told = p->told || !font;
    fputc('\'', p->to);
    for (; *text; text += n) {
        unsigned code = decode(text, &n);
        if (code == '\'' || (tic && code == '%')) fputc((int)code, p->to);
        if (code < 0x80)
            fputc((int)code, p->to);
        else if (code < LATIN || font)
            fprintf(p->to, "%.*s", n, text);
        else
            fputc('?', p->to);
    }
    fputc('\'', p->to);
}

void plot_text(plot *p, const char *text)
{
    write_text(p, text, false);
}

void plot_tic(plot *p, const char *text)
{
    write_text(p, text, true);
}

/* Pixels from the top, whatever the height. */
static double screen_y(const plot *p, double pixels)
{
    return 1 - pixels / p->height;
}

void plot_title(plot *p, const char *title, const char *subtitle)
{
    fputs("set label 101 ", p->to);
    plot_text(p, title);
    fprintf(p->to,
            " at screen %.4f,%.4f left front font 'DejaVu Sans Bold,21' tc rgb '#222222'\nset label 102 ",
            p->panel_left, screen_y(p, 42));
    plot_text(p, subtitle);
    fprintf(p->to, " at screen %.4f,%.4f left front font 'DejaVu Sans,14' tc rgb '#666666'\n", p->panel_left,
            screen_y(p, 82));
}

tt_status plot_begin(plot *p, const char *folder, const char *name, int width, int height)
{
    *p = (plot){.folder = folder, .name = name, .height = height, .panel_left = 0.03};
    TT_TRY(tt_format(&p->part, "%s/%s.part", folder, name));
    p->to = tmpfile();
    if (!p->to) {
        free(p->part);
        return tt_fail_errno("create a temporary file for", name);
    }
    fprintf(p->to,
            "set encoding utf8\n"
            "set terminal pngcairo noenhanced size %d,%d font 'DejaVu Sans,14' background rgb 'white'\n"
            "set border 3 lw 1 lc rgb '#999999'\n"
            "set tics nomirror out scale 0.6 textcolor rgb '#444444'\n"
            "set grid lw 1 lc rgb '#ececec' lt 1\n"
            "set key textcolor rgb '#333333'\n",
            width, height);
    fputs("set output ", p->to);
    plot_text(p, p->part);
    fputc('\n', p->to);
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

/* On a full disk gnuplot leaves half a picture and says nothing. */
static bool is_whole(const char *path)
{
    static const char end[] = {'I', 'E', 'N', 'D', '\xae', 'B', '`', '\x82'};
    char found[sizeof end];
    FILE *picture = fopen(path, "rb");
    bool whole = picture && fseek(picture, -(long)sizeof end, SEEK_END) == 0 &&
                 fread(found, 1, sizeof found, picture) == sizeof found &&
                 memcmp(found, end, sizeof end) == 0;
    if (picture) fclose(picture);
    return whole;
}

static tt_status publish(plot *p)
{
    char *path;
    if (fflush(p->to) != 0 || ferror(p->to)) return tt_fail_errno("write a temporary file for", p->name);
    TT_TRY(tt_format(&path, "%s/%s", p->folder, p->name));
    tt_status s = run_gnuplot(p);
    if (s == TT_OK && !is_whole(p->part))
        s = tt_fail(TT_ERR_IO, "cannot write %s: gnuplot left it cut short; is the disk full?", path);
    if (s == TT_OK && rename(p->part, path) != 0) s = tt_fail_errno("write", path);
    free(path);
    return s;
}

tt_status plot_draw(plot *p, tt_status status)
{
    if (status == TT_OK) status = publish(p);
    if (status != TT_OK) unlink(p->part);
    free(p->part);
    fclose(p->to);
    return status;
}

void plot_remove(const char *folder, const char *name)
{
    char *path;
    if (tt_format(&path, "%s/%s", folder, name) != TT_OK) return;
    unlink(path);
    free(path);
}
