/** A PDF of one page, written by hand: pdf.js finds the objects without their table. */
export function samplePdf(): Uint8Array {
  const lines = ["Dr Claire Martin, medecin generaliste", "Jean Dupont, 78 ans", "AMLODIPINE 5 mg : un comprime le matin", "pendant 3 mois"];
  const text = lines.map((line, at) => `BT /F1 ${at === 0 ? 18 : 14} Tf 60 ${760 - at * 40} Td (${line}) Tj ET`).join("\n");
  const pdf = `%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 5 0 R>>>>/Contents 4 0 R>>endobj
4 0 obj<</Length ${text.length}>>stream
${text}
endstream endobj
5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj
trailer<</Root 1 0 R>>
%%EOF`;
  return new TextEncoder().encode(pdf);
}

export async function samplePicture(): Promise<Uint8Array> {
  const canvas = new OffscreenCanvas(640, 420);
  const pen = canvas.getContext("2d");
  if (pen) {
    pen.fillStyle = "#9ab";
    pen.fillRect(0, 0, 640, 420);
    pen.fillStyle = "#fff";
    pen.fillRect(120, 120, 400, 180);
  }
  return new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer());
}
