/**
 * Who pressed a control that then goes away (or can no longer be pressed) stays at `section`, and does not begin the page
 * again. An attachment: `section` needs a `tabindex="-1"`.
 */
export function keepFocus(section: HTMLElement): () => void {
  let inside = false;
  const entered = (): void => {
    inside = true;
  };
  const left = ({ target, relatedTarget }: FocusEvent): void => {
    // Without an element that takes it over the control may be on its way out: what changes next tells.
    if (relatedTarget instanceof Node ? !section.contains(relatedTarget) : target instanceof Node && section.contains(target)) {
      requestAnimationFrame(() => {
        if (target instanceof Node && target.isConnected && !section.contains(document.activeElement)) inside = false;
      });
    }
  };
  const changes = new MutationObserver(() => {
    if (!inside) return;
    requestAnimationFrame(() => {
      if (section.isConnected && document.activeElement === document.body) section.focus({ preventScroll: true });
    });
  });
  changes.observe(section, { childList: true, subtree: true, attributeFilter: ["disabled"] });
  section.addEventListener("focusin", entered);
  section.addEventListener("focusout", left);
  return () => {
    changes.disconnect();
    section.removeEventListener("focusin", entered);
    section.removeEventListener("focusout", left);
  };
}
