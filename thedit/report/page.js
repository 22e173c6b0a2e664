// Players show one row of their sprite in every track; a turning head shows the column under the mouse.
for (const player of document.querySelectorAll(".player")) {
  const side = Number(player.dataset.side), rows = Number(player.dataset.rows), columns = Number(player.dataset.columns);
  const slider = player.querySelector("input"), button = player.querySelector("button");
  const cells = player.querySelectorAll(".cell"), turns = player.classList.contains("turn");
  let column = (columns - 1) / 2;
  for (const cell of cells) {
    cell.style.backgroundImage = `url(${player.querySelector("img").src})`;
    cell.style.backgroundSize = `${columns * side}px ${rows * side}px`;
  }
  const show = () => {
    const row = Number(slider.value);
    cells.forEach((cell, number) => {
      const at = turns ? Math.round(column) : number;
      cell.style.backgroundPosition = `${-at * side}px ${-row * side}px`;
      cell.dataset.row = row;
      cell.dataset.column = at;
    });
  };
  slider.addEventListener("input", show);
  let timer = null;
  button.addEventListener("click", () => {
    button.textContent = timer ? "Play" : "Pause";
    if (timer) { clearInterval(timer); timer = null; return; }
    timer = setInterval(() => { slider.value = (Number(slider.value) + 1) % rows; show(); }, 1000 / 6);
  });
  if (turns) {
    cells[0].addEventListener("pointermove", (event) => {
      const box = cells[0].getBoundingClientRect();
      column = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * (columns - 1);
      show();
    });
  }
  show();
}
