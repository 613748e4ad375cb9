/** Who is at which pixel: the scene drawn in numbers instead of colours. Serves clicks, and the outline of what is selected. */

import { Color, DoubleSide, Mesh, NearestFilter, OrthographicCamera, PlaneGeometry, Scene, ShaderMaterial, WebGLRenderTarget } from "../../vendor/three/three.module.js";

const NUMBERS = new ShaderMaterial({
  side: DoubleSide,
  vertexShader: `
attribute float owner;
varying vec3 number;
void main() {
  number = mod(floor(owner / vec3(1.0, 256.0, 65536.0)), 256.0) / 255.0;
  gl_Position = projectionMatrix * modelViewMatrix * instanceMatrix * vec4(position, 1.0);
}`,
  fragmentShader: `
varying vec3 number;
void main() { gl_FragColor = vec4(number, 1.0); }`,
});

const EDGE = `
uniform sampler2D owners;
uniform vec2 texel;
uniform vec3 selected;
uniform vec3 hovered;
uniform vec3 color;
varying vec2 at;
float is(vec2 place, vec3 one) {
  vec3 apart = abs(texture2D(owners, place).rgb - one);
  return step(max(apart.r, max(apart.g, apart.b)), 0.001);
}
float edge(vec3 one, float width) {
  float inside = is(at, one), around = 0.0;
  for (int i = 0; i < 12; i++) {
    float angle = float(i) * 0.5235988;
    around += is(at + vec2(cos(angle), sin(angle)) * texel * width, one);
  }
  return (1.0 - inside) * smoothstep(0.0, 5.0, around);
}
void main() {
  float alpha = selected == vec3(0.0) ? 0.0 : edge(selected, 2.6);
  if (hovered != vec3(0.0)) alpha = max(alpha, edge(hovered, 1.8) * 0.55);
  if (alpha < 0.01) discard;
  gl_FragColor = vec4(color, alpha);
  #include <colorspace_fragment>
}`;

export class Owners {
  constructor() {
    this.pixel = new WebGLRenderTarget(1, 1);
    this.whole = new WebGLRenderTarget(4, 4, { magFilter: NearestFilter, minFilter: NearestFilter });
    this.selected = -1;
    this.hovered = -1;
    this.edge = new ShaderMaterial({
      transparent: true,
      depthTest: false,
      depthWrite: false,
      vertexShader: "varying vec2 at; void main() { at = uv; gl_Position = vec4(position.xy, 0.0, 1.0); }",
      fragmentShader: EDGE,
      uniforms: {
        owners: { value: this.whole.texture }, texel: { value: [1, 1] }, selected: { value: [0, 0, 0] }, hovered: { value: [0, 0, 0] }, color: { value: new Color() },
      },
    });
    this.screen = new Scene();
    const quad = new Mesh(new PlaneGeometry(2, 2), this.edge);
    quad.frustumCulled = false;
    this.screen.add(quad);
    this.camera = new OrthographicCamera();
    this.before = new Color();
  }

  /** @param {number} width @param {number} height Of the canvas [pixels]. */
  resize(width, height) {
    this.whole.setSize(width, height);
    this.edge.uniforms.texel.value = [1 / width, 1 / height];
  }

  /**
   * @param {any} renderer @param {any} scene @param {any} camera @param {number} x @param {number} y @param {number} width @param {number} height
   * @returns {number} The entity at a pixel; -1: none.
   */
  at(renderer, scene, camera, x, y, width, height) {
    camera.setViewOffset(width, height, x, y, 1, 1);
    this.draw(renderer, scene, camera, this.pixel);
    camera.clearViewOffset();
    const read = new Uint8Array(4);
    renderer.readRenderTargetPixels(this.pixel, 0, 0, 1, 1, read);
    return read[0] + 256 * read[1] + 65536 * read[2] - 1;
  }

  /** Draw the outlines over what is on the screen. @param {any} renderer @param {any} scene @param {any} camera */
  outline(renderer, scene, camera) {
    if (this.selected < 0 && this.hovered < 0) return;
    this.draw(renderer, scene, camera, this.whole);
    this.edge.uniforms.selected.value = this.selected < 0 ? [0, 0, 0] : number(this.selected);
    this.edge.uniforms.hovered.value = this.hovered < 0 || this.hovered === this.selected ? [0, 0, 0] : number(this.hovered);
    renderer.autoClear = false;
    renderer.render(this.screen, this.camera);
    renderer.autoClear = true;
  }

  /** @param {any} renderer @param {any} scene @param {any} camera @param {WebGLRenderTarget} target */
  draw(renderer, scene, camera, target) {
    const layers = camera.layers.mask;
    const shadows = renderer.shadowMap.enabled;
    const { environment, background } = scene;
    camera.layers.set(0);
    scene.overrideMaterial = NUMBERS;
    scene.environment = scene.background = null;
    renderer.shadowMap.enabled = false;
    renderer.getClearColor(this.before);
    const alpha = renderer.getClearAlpha();
    renderer.setClearColor(0x000000, 0);
    renderer.setRenderTarget(target);
    renderer.render(scene, camera);
    renderer.setRenderTarget(null);
    renderer.setClearColor(this.before, alpha);
    renderer.shadowMap.enabled = shadows;
    scene.overrideMaterial = null;
    Object.assign(scene, { environment, background });
    camera.layers.mask = layers;
  }
}

/** @param {number} entity */
const number = (entity) => [1, 256, 65536].map((unit) => (Math.floor((entity + 1) / unit) % 256) / 255);
