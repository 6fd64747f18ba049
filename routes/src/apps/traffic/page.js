
const safe = document.querySelector('main').dataset.safe === 'true';
const message = document.getElementById('message');
const bar = document.getElementById('bar');
let unloaded = 0;

function ready() {
  // What was sent to get here must not be sent twice without a word.
  if (safe) location.reload();
  else message.textContent = 'It is ready. Go back, and send the form again.';
}

async function look() {
  try {
    const headers = { 'x-gateway-progress': '1', accept: 'application/json' };
    const answer = await fetch(location.href, { headers, cache: 'no-store' });
    const { ready: isReady, state, stage, loaded, total } = await answer.json();
    // Where nobody runs the machine, only a request of its own starts it.
    unloaded = state === 'unloaded' ? unloaded + 1 : 0;
    if (isReady || unloaded > 5) return ready();
    if (stage) message.textContent = stage;
    const known = total > 0 && loaded < total;
    bar.classList.toggle('unknown', !known);
    bar.style.width = known ? `${Math.round((loaded / total) * 100)}%` : '';
  } catch {
    // The gateway may be starting itself.
  }
  setTimeout(look, 700);
}

setTimeout(look, 300);
