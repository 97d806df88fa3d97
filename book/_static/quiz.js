// Adds the Check button to every quiz. Without this file the page still shows the choices
// and, in a <details> element, all explanations.
"use strict";

function checkQuiz(quiz) {
  const feedback = quiz.querySelector(".quiz-feedback");
  const chosen = quiz.querySelector("input:checked");
  feedback.classList.remove("right", "wrong");
  if (!chosen) {
    feedback.textContent = "Choose an answer first.";
    return;
  }
  const item = quiz.querySelectorAll(".quiz-details li")[Number(chosen.value)];
  const copy = item.cloneNode(true);
  copy.querySelectorAll("[id]").forEach((node) => node.removeAttribute("id"));
  feedback.replaceChildren(...copy.childNodes);
  feedback.classList.add(item.dataset.verdict);
}

document.addEventListener("DOMContentLoaded", () => {
  for (const quiz of document.querySelectorAll("[data-quiz]")) {
    const button = quiz.querySelector(".quiz-check");
    quiz.querySelector(".quiz-details").hidden = true;
    button.hidden = false;
    button.addEventListener("click", () => checkQuiz(quiz));
    quiz.addEventListener("change", () => quiz.querySelector(".quiz-feedback").replaceChildren());
    quiz.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches("input")) checkQuiz(quiz);
    });
  }
});
