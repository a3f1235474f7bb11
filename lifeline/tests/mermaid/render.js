// Draws Mermaid files in Mermaid itself, in a browser without a window, with Mermaid's default limits.
//
//   node render.js MERMAID.MIN.JS WORK_FOLDER FILE.mmd...
//
// Prints a line for each file and 'N passed, N failed' at the end. A file passes when Mermaid parses it and its picture
// has the file's messages, word for word.
'use strict';
const fs = require('fs');
const path = require('path');
const { spawnSync } = require('child_process');

const [library, folder, ...files] = process.argv.slice(2);
const MESSAGE = /^ *a\d+(?:->>|-->>|-\)|--\))a\d+: (.*)$/gm;

function findBrowser() {
    const folders = (process.env.PATH || '').split(':');
    for (const name of ['chromium', 'chromium-browser', 'google-chrome'])
        for (const dir of folders)
            if (fs.existsSync(path.join(dir, name))) return path.join(dir, name);
    console.error('render.js: no browser: install chromium');
    process.exit(1);
}

// Runs inside the browser: draws all of them and leaves what came of it in the page.
async function drawAll(diagrams) {
    const results = [];
    mermaid.initialize({ startOnLoad: false });
    for (const [i, text] of diagrams.entries()) {
        try {
            const { svg } = await mermaid.render('diagram' + i, text);
            const box = document.createElement('div');
            box.innerHTML = svg;
            results.push({
                messages: [...box.querySelectorAll('.messageText')].map((text) => text.textContent),
                broken: /Syntax error|Maximum text size/.test(svg),
            });
        } catch (error) {
            results.push({ error: String(error.message || error) });
        }
    }
    document.body.textContent = 'RESULTS' + btoa(encodeURIComponent(JSON.stringify(results))) + 'END';
}

function browse(page) {
    const profile = fs.mkdtempSync(path.join(folder, 'profile-'));
    const run = spawnSync(findBrowser(), ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic',
        '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
        '--user-data-dir=' + profile, '--virtual-time-budget=120000', '--timeout=120000', '--dump-dom',
        'file://' + page], { encoding: 'utf8', maxBuffer: 1 << 28, timeout: 240000 });
    fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    const found = /RESULTS([A-Za-z0-9+/=]*)END/.exec(run.stdout || '');
    if (!found) {
        console.error('render.js: the browser did not finish');
        console.error((run.stderr || '').split('\n').slice(-5).join('\n'));
        process.exit(1);
    }
    return JSON.parse(decodeURIComponent(Buffer.from(found[1], 'base64').toString()));
}

// The messages of a file as a reader should see them.
function messagesOf(text) {
    const decode = (label) => label.replace(/#(\d+);/g, (_, code) => String.fromCharCode(code));
    return [...text.matchAll(MESSAGE)].map((found) => decode(found[1]));
}

const plain = (text) => text.replace(/\s+/g, ' ').trim();

function complaint(text, result) {
    const messages = messagesOf(text);
    if (result.error) return result.error.split('\n').slice(0, 3).join(' ');
    if (result.broken) return 'Mermaid drew an error';
    if (result.messages.length !== messages.length)
        return `${result.messages.length} messages drawn, ${messages.length} in the file`;
    const wrong = messages.findIndex((message, i) => plain(message) !== plain(result.messages[i]));
    if (wrong >= 0) return `"${result.messages[wrong]}" drawn, "${messages[wrong]}" in the file`;
    return '';
}

const texts = files.map((file) => fs.readFileSync(file, 'utf8'));
const page = path.join(fs.realpathSync(folder), 'page.html');
const safe = JSON.stringify(texts).replace(/</g, '\\u003c');
fs.writeFileSync(page, `<!doctype html><meta charset="utf-8"><body></body>
<script src="file://${fs.realpathSync(library)}"></script>
<script>(${drawAll})(${safe});</script>`);
const complaints = browse(page).map((result, i) => complaint(texts[i], result));
files.forEach((file, i) => console.log(`${complaints[i] ? 'FAILED' : 'ok    '} ${path.basename(file)} ${complaints[i]}`));
const failed = complaints.filter(Boolean).length;
console.log(`${files.length - failed} passed, ${failed} failed`);
process.exit(failed || files.length === 0 ? 1 : 0);
